"""A slide for the eye."""
