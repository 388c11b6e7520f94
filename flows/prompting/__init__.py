"""Prompts for a model, from templates and measured facts."""
