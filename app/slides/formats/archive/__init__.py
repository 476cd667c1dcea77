"""Zipped slides."""
