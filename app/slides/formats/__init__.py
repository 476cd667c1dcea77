"""What is known of slide formats."""
