"""Sealed domains: a contract and laws as data, and a simulator that nobody has to trust."""
