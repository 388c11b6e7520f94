"""The `assay` command: what each command takes, does and shows."""
