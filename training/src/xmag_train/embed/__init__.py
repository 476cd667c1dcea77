"""Whole slides to bags, with the service's own reader, by its model runner or by a network of training."""
