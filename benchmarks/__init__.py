"""Measurements, each a ratio taken in one run; ``make bench`` takes them all."""
