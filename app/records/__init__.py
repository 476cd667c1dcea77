"""What is written down of jobs."""
