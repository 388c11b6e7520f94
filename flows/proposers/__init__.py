"""Proposers: a seeded search without a model, a language model, and what one answered before."""
