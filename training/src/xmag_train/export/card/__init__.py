"""The model card, and what goes on it from the report."""
