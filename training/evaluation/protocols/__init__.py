"""Who is asked what, after learning from what: a protocol per file."""
