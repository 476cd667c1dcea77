"""Cross-magnification distillation: a 20x teacher into a 5x student."""
