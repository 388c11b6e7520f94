"""``assay view``: the history as pages, for a person at a browser."""
