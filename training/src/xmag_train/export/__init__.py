"""From weights to the folder that the service reads: graphs, int8, what was measured, and the card."""
