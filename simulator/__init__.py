"""A simulator of a cluster that runs pipelines in containers as a scheduling policy decides."""

__version__ = "0.1.0"
