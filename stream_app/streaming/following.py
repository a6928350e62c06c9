"""The topics that every worker holds whole, taken in as they come: items, and announced models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from stream_app.scoring.device import Device
from stream_app.scoring.microbatch import ScoringThread
from stream_app.scoring.snapshot import load_snapshot
from stream_app.streaming.feeds import TopicFeed
from stream_app.streaming.item_catalogue import ItemCatalogue
from stream_app.streaming.metrics import Metrics
from stream_app.streaming.model_watcher import ModelWatcher
from stream_app.streaming.topics import TopicNames

log = logging.getLogger(__name__)

Apply = Callable[[bytes | None, bytes | None], Awaitable[None]]


class Following:
    """Keeps the catalogue and the serving model at what their topics say.

    `on_end` is told when one of them cannot be followed any more.
    """

    def __init__(
        self,
        *,
        kafka: Mapping[str, Any],
        names: TopicNames,
        channel: str,
        device: Device,
        scoring: ScoringThread,
        metrics: Metrics,
        on_end: Callable[[str], None],
    ) -> None:
        self._kafka = kafka
        self._names = names
        self._scoring = scoring
        self._on_end = on_end
        self._feeds: list[TopicFeed] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.items = ItemCatalogue()
        self._models = ModelWatcher(
            channel=channel,
            load=lambda folder: load_snapshot(
                folder, device=device, unavailable_hashes=self.items.unavailable
            ),
            swap=scoring.swap,  # also to none, where the serving one is retired
            metrics=metrics,
        )

    async def start(self) -> None:
        """Read both whole, then follow them. Raises TopicProblem."""
        self.items.on_availability(self._scoring.set_available)
        await self._follow(self._names.items, self._apply_item)
        log.info("catalogue: %d items", len(self.items))
        await self._follow(self._names.models, self._models.apply)

    async def stop(self) -> None:
        self._models.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(feed.stop() for feed in self._feeds))

    def item_name(self, item_hash: int) -> str | None:
        """An item's id, by the catalogue or the serving model; None where neither knows it."""
        item = self.items.item(item_hash)
        if item is not None:
            return item.item_id
        snapshot = self._scoring.snapshot
        return snapshot.vocabulary.name_of(item_hash) if snapshot is not None else None

    async def _apply_item(self, key: bytes | None, value: bytes | None) -> None:
        if problem := self.items.apply(key, value):
            log.warning("item %r left out: %s", key and key[:64], problem)

    async def _follow(self, topic: str, apply: Apply) -> None:
        feed = TopicFeed(kafka=self._kafka, topic=topic)
        self._feeds.append(feed)
        for record in await feed.load():
            await apply(record.key, record.value)

        async def follow() -> None:
            try:
                async for record in feed.follow():
                    await apply(record.key, record.value)
            except Exception as error:
                log.exception("the feed of %s failed", topic)
                self._on_end(
                    f"the feed of {topic} has ended ({type(error).__name__}: {error}); ending with it"
                )

        self._tasks.append(asyncio.create_task(follow(), name=topic))
