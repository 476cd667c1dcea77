"""Students: one pass per 5x tile, an embedding and 4×4 tokens."""
