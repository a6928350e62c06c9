"""A part of the minute or so of soak that every run of the tests has; CONTRIBUTING.md tells of an hour."""

from __future__ import annotations

import pytest

from tests.chaos.soak.brief import run_briefly


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_applied_twice_whatever_happens() -> None:
    run_briefly(delivery="at-least-once", minutes=0.6)
