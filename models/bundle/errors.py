"""Why a bundle is refused. Every message states the fact and the remedy."""

from __future__ import annotations


class BundleError(Exception):
    """A model bundle cannot be used."""


class SignatureMismatch(BundleError):
    """The graph's inputs or outputs are not those that the worker feeds and reads."""


class CorruptBundle(BundleError):
    """A file is missing, truncated, altered or unreadable."""


class UnknownVersion(BundleError):
    """The registry does not hold the version that was asked for."""


class WrongAnswers(BundleError):
    """The loaded graph does not answer the golden batch as the exporter's did."""
