"""The proxy itself: what goes through, what waits, what is closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from stream_app.brokers.ports import free_port
from tests.chaos.proxy import Proxy


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy before a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = Proxy(port=free_port(), target=server.sockets[0].getsockname()[1])
    await proxy.start()
    yield proxy
    await proxy.stop()
    server.close()


async def test_what_is_sent_comes_back_and_late_where_it_is_delayed(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"one")
    assert await reader.readexactly(3) == b"one"
    proxy.delay_s, began = 0.1, time.monotonic()
    writer.write(b"two")
    assert await reader.readexactly(3) == b"two"
    assert time.monotonic() - began >= 0.2
    writer.close()


async def test_a_cut_holds_back_and_loses_nothing(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.cut()
    writer.write(b"held")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.2)
    proxy.mend()
    assert await reader.readexactly(4) == b"held"
    writer.close()


async def test_dropped_connections_end_and_new_ones_go_through(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"x")
    await reader.readexactly(1)
    proxy.drop()
    assert await asyncio.wait_for(reader.read(), 2) == b""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"y")
    assert await reader.readexactly(1) == b"y"
    writer.close()
