"""An empty folder to begin in: Prefect finds no settings in it, and Python no modules."""
