"""HTTP of the worker: health, readiness, figures."""
