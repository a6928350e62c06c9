"""What all unit tests share."""

from __future__ import annotations

from hypothesis import settings

# A slow or busy machine is no failure: each test has pytest's own time limit.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
