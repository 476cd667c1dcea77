"""The other side of the API: what `xmag submit` does. Knows the service by its addresses only."""
