"""The domains that come with Assay: one folder for each."""
