"""One slide through one model."""
