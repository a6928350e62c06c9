"""Attention mechanisms: one to a file, all with the same shapes in and out."""
