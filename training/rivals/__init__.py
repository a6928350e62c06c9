"""What a model must beat: a baseline per file."""
