"""Norms to infinity: a product of 2 × 2 factors where every fitting matrix of rank one is infinitely large."""
