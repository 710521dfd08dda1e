"""Moving subspaces: which part of each layer descent moves, and the smaller network that has the same path."""
