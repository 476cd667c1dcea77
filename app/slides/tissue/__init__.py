"""Where tissue is, and how good it is to see."""
