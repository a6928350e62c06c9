"""A bundle → the registry, and the word of it to the workers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from aiokafka import AIOKafkaProducer

from models.bundle.registry import Registry
from models.bundle.verification import bundle_digest
from stream_app.domain.messages import ModelAnnouncement, encode


def publish(folder: Path, registry: Registry) -> str:
    """Copy a finished bundle into the registry and return its uri. Raises BundleError."""
    return registry.publish(folder)


def announcement_of(
    folder: Path, *, version: str, uri: str, role: Literal["champion", "challenger"] = "champion"
) -> ModelAnnouncement:
    """The announcement of a bundle, of which `folder` is a local copy."""
    return ModelAnnouncement(
        version=version,
        uri=uri,
        sha256=bundle_digest(folder),
        role=role,
        announced_at=time.time_ns() // 1_000_000,
    )


async def announce(
    announcement: ModelAnnouncement, *, kafka: Mapping[str, Any], topic: str, channel: str
) -> None:
    """Send the announcement to the `models` topic and wait for the broker's word that it has it.

    `kafka` are aiokafka's connection arguments. Raises KafkaError.
    """
    producer = AIOKafkaProducer(**kafka, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, encode(announcement), key=channel.encode())
    finally:
        await producer.stop()
