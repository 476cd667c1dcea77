"""What is a level of the pyramid."""
