"""How a student compares on unseen cases: retrieval, and the agreement of readings."""
