"""Starting, watching and checking our own processes."""
