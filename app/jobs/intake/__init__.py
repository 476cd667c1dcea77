"""How a slide gets here."""
