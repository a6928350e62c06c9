"""Event log in, model bundle out; offline, with torch."""
