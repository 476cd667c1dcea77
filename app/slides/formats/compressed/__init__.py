"""Compressed tiles, read from the file and decoded without OpenSlide."""
