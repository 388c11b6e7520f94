"""Readers of public data in their own formats; what they mean is for each domain to say."""
