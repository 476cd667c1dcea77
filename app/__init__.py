"""xmag-serve: whole-slide inference at 5x (2.0 µm/px)."""
