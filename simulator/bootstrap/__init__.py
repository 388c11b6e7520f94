"""Checks of simulators that somebody else wrote: a domain whose policies are simulators."""
