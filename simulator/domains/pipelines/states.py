"""Operator states as small integers: what the engine stores and what its messages carry."""

PENDING, ASSIGNED, RUNNING, SUSPENDING, COMPLETED, FAILED = range(6)

STATE_NAMES = ("pending", "assigned", "running", "suspending", "completed", "failed")

NEVER = 1 << 62
"""A tick after the end of every simulation."""
