"""aiokafka on uvloop: a request on a connection that has just gone is a lost connection, nothing worse.

Between the end of a connection and the moment when aiokafka's reader learns of it, asyncio drops what is
written; uvloop raises RuntimeError, which aiokafka takes for a fault of its own: its coordinator ends for
good, and with it a worker whose broker was only restarted (https://github.com/aio-libs/aiokafka/issues/1038).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


def take_for_lost() -> None:
    """Let every aiokafka connection of this process raise KafkaConnectionError then. Once is enough."""
    if not hasattr(AIOKafkaConnection.send, "__wrapped__"):
        AIOKafkaConnection.send = _heeding(AIOKafkaConnection.send)
        AIOKafkaConnection._send_sasl_token = _heeding(AIOKafkaConnection._send_sasl_token)


def _heeding(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    def heeding(connection: AIOKafkaConnection, *args: Any, **kwargs: Any) -> Any:
        try:
            return send(connection, *args, **kwargs)
        except RuntimeError as error:
            writer = connection._writer
            if writer is None or not writer.transport.is_closing():
                raise
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(
                f"Connection at {connection.host}:{connection.port}: {error}"
            ) from error

    return heeding
