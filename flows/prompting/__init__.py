"""What a model is told, from templates and measured facts."""
