"""Where interactions come from: a reader per format."""
