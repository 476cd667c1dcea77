"""Networks that tiles go into. Each states its own pixel scaling and gives a map of cells or tokens."""
