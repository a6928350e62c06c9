"""Changelog records on their way into the store, and Faust's bookkeeping beside it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from faust.types import TP

from stream_app.streaming import lane
from stream_app.streaming.lane.recovery import apply_changelog_records

ACTIVE, FOREIGN = TP("recovered-table-changelog", 0), TP("recovered-table-changelog", 1)


@pytest.fixture
async def tables(tmp_path: Path) -> Any:
    lane.register()
    app = faust.App("recovered", store=f"{lane.STORE_SCHEME}://", datadir=tmp_path)
    table = app.Table("table", key_type=bytes, value_type=bytes, partitions=2)
    recovery = app.tables.recovery
    recovery.add_active(table, ACTIVE)
    recovery.active_highwaters[ACTIVE] = 3
    recovery.active_offsets[ACTIVE] = 0
    recovery.in_recovery = app.in_recovery = True
    app.tables.standbys_ready = True
    yield app.tables
    await table.data.stop()


def records(*offsets: int) -> list[Any]:
    return [SimpleNamespace(offset=offset, key=b"%d" % offset, value=b"v", timestamp=0) for offset in offsets]


def stored(tables: Any, *keys: bytes) -> list[bytes | None]:
    found: list[bytes | None] = tables.recovery.tp_to_table[ACTIVE].data.get_many(0, list(keys))
    return found


async def test_a_recovery_goes_on_until_the_high_watermark(tables: Any) -> None:
    apply_changelog_records(tables, ACTIVE, records(1, 2))
    assert tables.recovery.in_recovery
    assert not tables.recovery.signal_recovery_end.is_set()
    apply_changelog_records(tables, ACTIVE, records(3))
    assert not tables.recovery.in_recovery
    assert tables.recovery.signal_recovery_end.is_set()
    assert stored(tables, b"1", b"2", b"3") == [b"v"] * 3


async def test_what_was_applied_is_not_applied_again(tables: Any) -> None:
    """Recovery seeks to the last applied record and not behind it."""
    apply_changelog_records(tables, ACTIVE, records(0, 1))
    assert stored(tables, b"0", b"1") == [None, b"v"]
    apply_changelog_records(tables, ACTIVE, records(0, 1))
    assert tables.recovery.active_offsets[ACTIVE] == 1


async def test_records_of_a_partition_that_was_taken_away_are_left_out(tables: Any) -> None:
    apply_changelog_records(tables, FOREIGN, records(1, 2, 3))
    assert FOREIGN not in tables.recovery.active_offsets
    assert stored(tables, b"1") == [None]
    assert tables.recovery.in_recovery
