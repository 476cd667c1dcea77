"""What the student is asked for: one loss a file."""
