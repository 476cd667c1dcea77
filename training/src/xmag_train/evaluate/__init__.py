"""What the 5x student keeps of its 20x teacher, measured side by side, and told in one report."""
