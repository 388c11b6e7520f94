"""What each command of ``assay`` takes.

The work is done by the ``flows.cli_*`` modules, imported inside the commands: help answers at once.
"""
