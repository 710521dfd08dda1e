"""Connectivity: when known entries lead descent to low rank, and when to a low nuclear norm."""
