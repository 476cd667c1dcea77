"""Pixels and tiles at the model's resolution."""
