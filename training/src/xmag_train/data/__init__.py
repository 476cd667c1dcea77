"""Regions: cutting them from slides, keeping them in shards."""
