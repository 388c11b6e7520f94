"""What each command of ``assay`` takes.

The work is done in ``flows.console``, imported inside the commands: help answers at once.
"""
