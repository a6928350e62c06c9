"""Ctrl-C, SIGTERM and a closed terminal: each ends the demo in good order, once."""

from __future__ import annotations

import asyncio
import signal
from types import FrameType, TracebackType

from stream_app.demo.errors import Interrupted

_SIGNALS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, "SIGHUP"):
    _SIGNALS.append(signal.SIGHUP)


class Interruption:
    """Used as a context: a signal raises Interrupted, or ends `awaited`; after `ignore` it does nothing."""

    def __init__(self) -> None:
        self._ending = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awaited: asyncio.Future[None] | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Interruption:
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]

    async def awaited(self) -> None:
        """Wait for a signal. Raises Interrupted."""
        self._loop = asyncio.get_running_loop()
        self._awaited = self._loop.create_future()
        try:
            await self._awaited
        finally:
            self._loop = None

    def ignore(self) -> None:
        """From now on: everything is being ended already."""
        self._ending = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._ending:
            return
        if self._loop is None:
            raise Interrupted(number)
        self._loop.call_soon_threadsafe(self._end, number)

    def _end(self, number: int) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_exception(Interrupted(number))
