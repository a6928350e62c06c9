"""Millstream: an event-driven streaming recommender; this package is its worker."""
