"""Pixels only: open, metadata, tissue mask, tile grid, tile stream."""
