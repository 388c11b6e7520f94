"""What a policy is worth, and whether a difference is more than chance."""
