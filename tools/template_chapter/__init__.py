"""A chapter of its own: one claim, one study, one estimand, one figure."""
