"""Depth: how many measurements a product of two, three or four factors takes, by the size of its start."""
