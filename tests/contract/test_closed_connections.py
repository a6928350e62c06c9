"""What aiokafka makes of a connection that has just gone, on uvloop, without and with what mends it."""

from __future__ import annotations

import asyncio

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from stream_app.brokers import EmbeddedBroker
from stream_app.streaming import closed_connections


async def _ask_on_a_connection_that_has_just_gone(broker: EmbeddedBroker) -> None:
    host, port = broker.bootstrap_servers.split(":")
    connection = await create_conn(host, int(port))
    connection._writer.transport.abort()
    await asyncio.sleep(0)  # now it is closed, and the reader will hear of it in the loop's next round
    try:
        await connection.send(MetadataRequest([]))
    finally:
        await connection.close()


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka as it comes, whatever this process did before, and again afterwards."""
    for name in ("send", "_send_sasl_token"):
        function = getattr(AIOKafkaConnection, name)
        monkeypatch.setattr(AIOKafkaConnection, name, getattr(function, "__wrapped__", function))


@pytest.mark.usefixtures("untouched")
def test_it_is_a_fault_of_ones_own_in_aiokafka_as_it_comes(embedded_broker: EmbeddedBroker) -> None:
    """When this fails, aiokafka or uvloop has mended it: closed_connections.py can go."""
    with pytest.raises(RuntimeError, match="handler is closed"):
        uvloop.run(_ask_on_a_connection_that_has_just_gone(embedded_broker))


@pytest.mark.usefixtures("untouched")
def test_it_is_a_lost_connection_in_a_worker(embedded_broker: EmbeddedBroker) -> None:
    closed_connections.take_for_lost()
    closed_connections.take_for_lost()
    with pytest.raises(KafkaConnectionError, match="handler is closed"):
        uvloop.run(_ask_on_a_connection_that_has_just_gone(embedded_broker))
