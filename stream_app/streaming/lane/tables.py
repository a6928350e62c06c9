"""The table manager: starts at once."""

from __future__ import annotations

from faust.tables.manager import TableManager


class LaneTableManager(TableManager):
    """Faust's waits for a second at the start, for tables that agents add meanwhile; ours are all there."""

    async def on_start(self) -> None:
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()
