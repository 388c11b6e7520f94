"""Runs one candidate safely: the screen, the cell, and the verdict on what the cell returned."""
