"""Colours that header and pixels describe differently."""
