"""The sections of a configuration and where its values come from."""
