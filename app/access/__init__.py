"""Who may ask, and who did what."""
