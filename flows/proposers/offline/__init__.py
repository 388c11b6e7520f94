"""The offline proposer: a seeded search over a space of readable policies, without a model."""
