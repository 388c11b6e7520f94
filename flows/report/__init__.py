"""The page about an experiment."""
