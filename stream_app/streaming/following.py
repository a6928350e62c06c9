"""The topics that every worker holds whole, taken in as they come: items, and announced models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from stream_app.scoring.device import Device
from stream_app.scoring.microbatch import ScoringThread
from stream_app.scoring.snapshot import Snapshot, load_snapshot
from stream_app.streaming.feeds import TopicFeed
from stream_app.streaming.item_catalogue import ItemCatalogue
from stream_app.streaming.metrics import Metrics
from stream_app.streaming.model_watcher import ModelWatcher
from stream_app.streaming.new_items import NewItems
from stream_app.streaming.topics import TopicNames

log = logging.getLogger(__name__)

_LOOK_FOR_DUE_S = 1.0
"""How often it is looked whether an item was published: the wall clock may be set, and items changed."""

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
        self._device = device
        self._on_end = on_end
        self._feeds: list[TopicFeed] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.items = ItemCatalogue()
        self._new_items = NewItems(self.items, scoring=scoring, metrics=metrics)
        self._models = ModelWatcher(channel=channel, load=self._load, swap=self._swap, metrics=metrics)

    async def start(self) -> None:
        """Read both whole, then follow them. Raises TopicProblem."""
        self.items.on_availability(self._scoring.set_available)
        await self._follow(self._names.items, self._apply_item)
        log.info("catalogue: %d items", len(self.items))
        self._begin("new items", self._new_items.run())
        self._begin("items to publish", self._publish())
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

    def _load(self, folder: Path) -> Snapshot:
        snapshot = load_snapshot(folder, device=self._device, unavailable_hashes=self.items.unavailable)
        self._new_items.prepare(snapshot)
        return snapshot

    def _swap(self, snapshot: Snapshot | None) -> None:
        self._scoring.swap(snapshot)
        if snapshot is not None:  # none: the serving one is retired
            self._new_items.served(snapshot)

    async def _publish(self) -> None:
        while True:
            self.items.publish_due()
            await asyncio.sleep(_LOOK_FOR_DUE_S)

    async def _apply_item(self, key: bytes | None, value: bytes | None) -> None:
        if problem := self.items.apply(key, value):
            log.warning("item %r left out: %s", key and key[:64], problem)

    async def _follow(self, topic: str, apply: Apply) -> None:
        feed = TopicFeed(kafka=self._kafka, topic=topic)
        self._feeds.append(feed)
        for record in await feed.load():
            await apply(record.key, record.value)

        async def follow() -> None:
            async for record in feed.follow():
                await apply(record.key, record.value)

        self._begin(f"the feed of {topic}", follow())

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        async def watched() -> None:
            try:
                await work
            except Exception as error:
                log.exception("%s failed", name)
                self._on_end(f"{name} has ended ({type(error).__name__}: {error}); ending with it")

        self._tasks.append(asyncio.create_task(watched(), name=name))
