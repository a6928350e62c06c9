"""The model side of the worker: a verified bundle, its catalogue, and the thread that scores batches."""
