"""Models only: manifest, registry, sessions, embedder, MIL head."""
