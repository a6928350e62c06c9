"""Which model serves a channel, told from the `models` topic alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from models.bundle.registry import Registry
from stream_app.domain.messages import ModelAnnouncement
from stream_app.streaming.feeds import TopicFeed


async def announced_champion(
    kafka: Mapping[str, Any], topic: str, *, channel: str
) -> ModelAnnouncement | None:
    """The last announcement of the channel, None where there is none. Raises TopicProblem."""
    feed = TopicFeed(kafka=kafka, topic=topic)
    try:
        for record in await feed.load():
            if record.key == channel.encode() and record.value is not None:
                announcement = msgspec.json.decode(record.value, type=ModelAnnouncement)
                return announcement if announcement.role == "champion" else None
        return None
    finally:
        await feed.stop()


def fetch(announcement: ModelAnnouncement) -> Path:
    """A local folder with the announced bundle. Raises BundleError."""
    registry, version = Registry.of(announcement.uri)
    return registry.fetch(version)
