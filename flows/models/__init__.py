"""Proposers that ask a language model, or repeat what one answered."""
