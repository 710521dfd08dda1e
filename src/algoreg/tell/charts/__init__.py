"""Kinds of charts, of which the chapters' figures are made.

A chart takes rows of a table and, where a claim is judged from what it shows, the claim's registry entry: its margin,
direction and exponent are read from there.
"""
