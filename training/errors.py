"""What can go wrong offline. Every message states the fact and the remedy."""

from __future__ import annotations


class TrainingError(Exception):
    """No model can be made of what was given."""


class UnusableSource(TrainingError):
    """A log cannot be read, or is not one of interactions."""


class TrainingDiverged(TrainingError):
    """The loss is not a number any more."""


class UnusableCheckpoint(TrainingError):
    """A fit cannot go on from what a folder holds."""


class NothingToJudge(TrainingError):
    """A log holds no event that a protocol could judge by."""
