"""Heads that judge a slide from its tiles' embeddings: bags, training by case, calibration."""
