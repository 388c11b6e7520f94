"""Accepting a simulator that somebody else wrote, after the search for it."""
