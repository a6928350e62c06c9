"""A TCP proxy between a worker and its broker: what flows can be delayed, or cut off."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Proxy:
    """Forwards `port` to `target` on this machine; `delay_s` holds back each piece of data, each way."""

    def __init__(self, *, port: int, target: int) -> None:
        self.port = port
        self.delay_s = 0.0
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def stop(self) -> None:
        self._open.set()
        if self._server is not None:
            self._server.close()
        self.drop()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def cut(self) -> None:
        """Nothing passes any more, and nobody is told: as when a cable is pulled."""
        self._open.clear()

    def mend(self) -> None:
        """What waited goes on."""
        self._open.set()

    def drop(self) -> None:
        """Every connection is closed."""
        for connection in self._connections:
            connection.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # In a task of its own: asyncio reports one of its server's that is cancelled as an error.
        task = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._open.wait()
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(self._pump_there(reader, there_writer))
                    ways.create_task(self._pump(there_reader, writer))
            finally:
                there_writer.close()
        except* (OSError, _Ended):
            pass
        finally:
            writer.close()

    async def _pump_there(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._pump(reader, writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.close()
        raise _Ended


class HoldingProxy(Proxy):
    """Can hold back what a Kafka client has to write, while all else of it passes: requests on their way."""

    _PRODUCE = 0  # the API key, after the size

    def __init__(self, *, port: int, target: int) -> None:
        super().__init__(port=port, target=target)
        self._released = asyncio.Event()
        self._released.set()
        self.held = asyncio.Event()

    def hold(self) -> None:
        """From now on no write arrives; `held` is set when one waits."""
        self._released.clear()

    def release(self) -> None:
        """What was held arrives."""
        self._released.set()

    async def _pump_there(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                size = await reader.readexactly(4)
                request = await reader.readexactly(int.from_bytes(size))
                if int.from_bytes(request[:2]) == self._PRODUCE and not self._released.is_set():
                    self.held.set()
                    await self._released.wait()
                writer.write(size + request)
                await writer.drain()
        with suppress(OSError):
            writer.close()
        raise _Ended


class _Ended(Exception):
    """One side has closed: the other is closed, too."""
