"""The body of a request: read, checked, counted."""
