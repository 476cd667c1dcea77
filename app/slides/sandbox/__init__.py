"""The decoding processes, and the parent that believes nothing of them."""
