"""Landscapes of quadratic networks: which widths, signs and starts leave no local minimum in the way."""
