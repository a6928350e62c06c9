"""What is known of the source, where the group has another generation in the middle of a look."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stream_app.domain.source import Log, Source, write
from stream_app.streaming.sources import Sources


@pytest.mark.parametrize("accepted", [False, True])
async def test_partitions_that_are_revoked_during_the_look_are_forgotten_and_no_fault(
    accepted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = Sources(kafka={}, topic="events", epoch=0, accept_new=accepted)
    stored = Source(0, 7)
    found = Log(0, 3) if accepted else Log(0, 9, there=stored)

    async def look(applied: Mapping[int, Source]) -> dict[int, Log]:
        logs = dict.fromkeys(applied, found)
        sources.forget()
        return logs

    monkeypatch.setattr(sources, "_look", look)
    assert set(await sources.check({1: write(stored)})) == ({1} if accepted else set())
    assert sources.epoch(1) == 0  # of what comes next nothing is known yet
