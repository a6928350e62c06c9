"""Recovery and standbys: changelog records written in whole lists.

Faust puts each changelog record into a queue and applies them one buffer at a time; here a fetched list is
one RocksDB write batch. Faust's own bookkeeping (offsets, high watermarks, the end signal) is kept up to
date, so that its recovery service goes on as it knows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from faust.types import TP


def apply_changelog_records(tables: Any, tp: TP, records: Sequence[Any]) -> None:
    """Write the records of one changelog partition to its store and move the recovery's bookkeeping on."""
    recovery = tables.recovery
    if tp in recovery.active_tps:
        offsets = recovery.active_offsets
    elif tp in recovery.standby_tps:
        offsets = recovery.standby_offsets
    else:
        return
    applied = offsets.get(tp)
    if applied is not None and records[0].offset <= applied:
        records = [record for record in records if record.offset > applied]
    if records:
        recovery.tp_to_table[tp].data.apply_records(tp, records)
        offsets[tp] = records[-1].offset
    if recovery.in_recovery and not recovery.need_recovery():
        recovery.flush_buffers()
        recovery._set_recovery_ended()
        recovery.signal_recovery_end.set()
    if not tables.standbys_ready and not recovery.standby_remaining_total():
        tables.on_standbys_ready()
