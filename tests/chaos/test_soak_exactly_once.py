"""The other part of the minute or so of soak that every test run has; CONTRIBUTING.md tells of an hour."""

from __future__ import annotations

import pytest

from tests.chaos.soak.brief import run_briefly


@pytest.mark.timeout(600)
def test_everything_is_said_once_whatever_happens() -> None:
    run_briefly(delivery="exactly-once", minutes=0.6)
