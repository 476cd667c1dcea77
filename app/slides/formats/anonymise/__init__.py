"""Copies without label, names and dates."""
