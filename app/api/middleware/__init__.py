"""What every request or answer passes through."""
