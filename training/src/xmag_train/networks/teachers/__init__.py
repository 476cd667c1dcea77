"""Teachers: one embedding per 20x tile of 224 px."""
