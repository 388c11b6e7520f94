"""What each command of ``assay`` takes.

The work is done in ``flows.cli``, imported inside the commands: help answers at once.
"""
