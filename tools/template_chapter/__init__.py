"""A chapter of its own: one claim, one experiment, one estimand, one figure."""
