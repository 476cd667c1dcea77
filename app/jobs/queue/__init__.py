"""The queue in Redis."""
