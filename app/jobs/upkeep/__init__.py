"""What is kept in order beside the work."""
