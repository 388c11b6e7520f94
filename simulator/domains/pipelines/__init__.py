"""Data pipelines on pools of CPUs and memory: the system of the first domain."""
