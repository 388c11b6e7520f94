"""Simulators of systems that policies schedule; what runs in a cell."""

__version__ = "0.1.0"
