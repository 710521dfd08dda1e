"""Large dimensions: how many measurements recovery takes where a Gaussian ensemble no longer fits into memory."""
