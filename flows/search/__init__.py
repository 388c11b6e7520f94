"""The parts of a search: what each hop does, decides and remembers."""
