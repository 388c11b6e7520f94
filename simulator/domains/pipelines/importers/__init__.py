"""Readers of public workload formats, each written from the published field description."""
