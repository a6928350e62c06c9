"""The table manager: starts at once, and writes the tables out now and then."""

from __future__ import annotations

from faust.tables.manager import TableManager
from mode import Service

WRITE_OUT_EVERY_S = 3600.0
"""The age of a killed worker's state counts from there: far less than a tombstone's life."""


class LaneTableManager(TableManager):
    """Faust's waits for a second at the start, for tables that agents add meanwhile; ours are all there."""

    async def on_start(self) -> None:
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()

    @Service.timer(WRITE_OUT_EVERY_S)
    async def _write_out(self) -> None:
        for table in self.values():
            table.data.write_out()
