"""Whole slides to bags, with the service's own reader and model runner."""
