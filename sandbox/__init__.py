"""Runs one candidate safely: the screen, the locked cell, and what became of it."""
