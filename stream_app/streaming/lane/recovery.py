"""Recovery and standbys: changelog records written in whole lists.

Faust puts each changelog record into a queue and applies them one buffer at a time; here a fetched list is
one RocksDB write batch. Faust's own bookkeeping (offsets, high watermarks, the end signal) is kept up to
date, so that its recovery service goes on as it knows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from faust.types import TP


def apply_changelog_records(tables: Any, tp: TP, records: Sequence[Any]) -> None:
    """Write the records of one changelog partition to its store and move the recovery's bookkeeping on."""
    recovery = tables.recovery
    offsets = _offsets_of(recovery, tp)
    if offsets is None:
        return
    applied = offsets.get(tp)
    if applied is not None and records[0].offset <= applied:
        records = [record for record in records if record.offset > applied]
    if records:
        recovery.tp_to_table[tp].data.apply_records(tp, records)
        offsets[tp] = records[-1].offset
    _end_where_done(tables)


def unfinished(tables: Any) -> frozenset[TP]:
    """The changelog partitions that are being read up to where they ended when it began."""
    recovery = tables.recovery
    behind: set[TP] = set()
    if recovery.in_recovery:
        behind |= _behind(recovery.active_tps, recovery.active_offsets, recovery.active_highwaters)
    elif not tables.standbys_ready:
        behind |= _behind(recovery.standby_tps, recovery.standby_offsets, recovery.standby_highwaters)
    return frozenset(behind)


def note_positions(tables: Any, positions: Mapping[TP, int]) -> None:
    """Say which offset would be read next: between the last record and it are a transaction's markers."""
    for tp, position in positions.items():
        offsets = _offsets_of(tables.recovery, tp)
        if offsets is not None and position - 1 > offsets.get(tp, -1):
            offsets[tp] = position - 1
    _end_where_done(tables)


def _offsets_of(recovery: Any, tp: TP) -> Any:
    if tp in recovery.active_tps:
        return recovery.active_offsets
    return recovery.standby_offsets if tp in recovery.standby_tps else None


def _behind(tps: set[TP], offsets: Mapping[TP, int], highwaters: Mapping[TP, int]) -> set[TP]:
    return {tp for tp in tps if highwaters.get(tp, -1) > offsets.get(tp, -1)}


def _end_where_done(tables: Any) -> None:
    recovery = tables.recovery
    if recovery.in_recovery and not recovery.need_recovery():
        recovery.flush_buffers()
        recovery._set_recovery_ended()
        recovery.signal_recovery_end.set()
    if not tables.standbys_ready and not recovery.standby_remaining_total():
        tables.on_standbys_ready()
