"""Noise: least squares at a known rank, the test of a rank, and what descent of full width makes of noisy labels."""
