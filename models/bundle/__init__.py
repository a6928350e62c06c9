"""The model bundle: a folder that holds everything needed to serve one version of a model.

Torch-free, so that a worker can read what a trainer wrote.
"""
