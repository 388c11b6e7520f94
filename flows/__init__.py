"""Decides what to try next and remembers everything: search, proposers, history, command line."""
