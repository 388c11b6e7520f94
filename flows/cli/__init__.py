"""The ``assay`` command: what each command takes, does and shows.

Help answers at once: a file of commands imports what takes long inside its functions.
"""
