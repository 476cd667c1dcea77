"""An S3-compatible object store: addresses, and the client that reads what they name."""
