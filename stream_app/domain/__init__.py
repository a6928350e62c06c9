"""The pure core: what travels, what a history is, how it is scored and judged.

Nothing here does I/O, reads a clock or draws a random number of its own; the worker and the trainer run
the same functions, so that what is learned is what is served.
"""
