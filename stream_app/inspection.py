"""What is stored of a user and what the user would get now, told without a worker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from models.bundle.errors import BundleError
from models.bundle.items import read_items
from models.bundle.signature import EVENT_TYPES
from stream_app.domain import history
from stream_app.domain.encoding import encode
from stream_app.domain.messages import ModelRef, RecommendedItem
from stream_app.domain.ranking import RankedList, knows, rank, rank_trending
from stream_app.domain.trending import Trending
from stream_app.settings import Settings
from stream_app.streaming.feeds import TopicFeed
from stream_app.streaming.item_catalogue import ItemCatalogue
from stream_app.streaming.known_models import announced_champion, fetch
from stream_app.streaming.stored_histories import PartitionAndUser, read_histories
from stream_app.streaming.topics import TopicNames

log = logging.getLogger(__name__)

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class ItemNames:
    """Hash → id and title, from the `items` topic and the serving model's table."""

    catalogue: ItemCatalogue
    ids: Mapping[int, str]

    def item_id(self, item_hash: int) -> str | None:
        """None where neither knows the item."""
        item = self.catalogue.item(item_hash)
        return item.item_id if item is not None else self.ids.get(item_hash)

    def title(self, item_hash: int) -> str | None:
        item = self.catalogue.item(item_hash)
        return item.title if item is not None else None


async def read_catalogue(settings: Settings, names: TopicNames) -> ItemCatalogue:
    """The items topic, whole; records that are no item are left out. Raises TopicProblem."""
    catalogue = ItemCatalogue()
    feed = TopicFeed(kafka=settings.kafka_kwargs(), topic=names.items)
    try:
        for record in await feed.load():
            catalogue.apply(record.key, record.value)
    finally:
        await feed.stop()
    return catalogue


async def read_names(settings: Settings, names: TopicNames) -> ItemNames:
    """Read the catalogue and the model's vocabulary; a model that cannot be read names nothing.

    Raises TopicProblem.
    """
    kafka = settings.kafka_kwargs()
    catalogue = await read_catalogue(settings, names)
    champion = await announced_champion(kafka, names.models, channel=settings.channel)
    ids: dict[int, str] = {}
    if champion is not None:
        try:
            vocabulary = read_items(await asyncio.to_thread(fetch, champion)).vocabulary
        except BundleError as error:
            log.warning("items that only model %s knows have no names here: %s", champion.version, error)
            return ItemNames(catalogue, ids)
        ids = {int(vocabulary.hashes[row]): vocabulary.item_id(row) for row in range(1, len(vocabulary) + 1)}
    return ItemNames(catalogue, ids)


def describe_histories(
    histories: Mapping[PartitionAndUser, bytes], names: ItemNames
) -> Iterator[dict[str, Any]]:
    """One object a stored history, as `millstream history --json` prints it; entries oldest first."""
    for (partition, user), record in histories.items():
        at = history.header(record)
        yield {
            "user_id": user.decode("utf-8", "replace"),
            "partition": partition,
            "epoch": at.epoch,
            "offset": at.offset,
            "format": at.format,
            "entries": [
                {
                    "item_id": names.item_id(entry.item_hash),
                    "item_hash": f"{entry.item_hash:016x}",
                    "type": EVENT_TYPES[entry.type_code],
                    "timestamp": entry.timestamp_ms,
                }
                for entry in history.entries(record)
            ],
        }


@dataclass(frozen=True)
class Offer:
    """What a user would get now."""

    items: tuple[RecommendedItem, ...]
    model: ModelRef
    history_length: int


async def recommend_now(settings: Settings, names: TopicNames, items: ItemNames, *, user_id: str) -> Offer:
    """Rank for the stored history with the announced model, at this moment; trending where it knows nothing.

    Raises TopicProblem, BundleError, DeviceUnavailable.
    """
    kafka = settings.kafka_kwargs()
    histories = await read_histories(kafka, names.history_changelog)
    record = max(
        (record for (_, user), record in histories.items() if user == user_id.encode()),
        key=lambda record: history.header(record).newest_ms,
        default=None,
    )
    champion = await announced_champion(kafka, names.models, channel=settings.channel)
    length = history.length(record) if record else 0
    if champion is not None and record is not None:
        ranked = await asyncio.to_thread(_score, settings, fetch(champion), record, items)
        if ranked is not None:
            return Offer(ranked.items, ModelRef(champion.version, "champion"), length)
    trending = _trending(settings, histories, items)
    ranked = rank_trending(trending.candidates(items.catalogue.available), [record], k=settings.k)[0]
    return Offer(ranked.items, ModelRef("trending", "fallback"), length)


def _score(settings: Settings, folder: Any, record: bytes, items: ItemNames) -> RankedList | None:
    from stream_app.scoring.snapshot import (
        load_snapshot,
    )  # onnxruntime takes its time: only where it is needed

    unavailable = items.catalogue.unavailable
    snapshot = load_snapshot(folder, device=settings.device, unavailable_hashes=unavailable)
    snapshot.add_items(items.catalogue, unavailable_hashes=unavailable)
    inputs = encode(
        [record],
        [time.time_ns() // 1_000_000],
        snapshot.vocabulary,
        max_length=snapshot.scorer.max_length,
        context_fields=snapshot.manifest.context_fields,
        trained=snapshot.manifest.item_count,
    )
    if not knows(inputs.item_ids)[0]:
        return None
    return rank(snapshot.scorer.score(inputs), inputs.item_ids, snapshot.vocabulary, k=settings.k)[0]


def _trending(settings: Settings, histories: Mapping[PartitionAndUser, bytes], items: ItemNames) -> Trending:
    trending = Trending(half_life_ms=int(settings.trending_half_life_days * _DAY_MS))
    positive = {EVENT_TYPES.index(name) for name in settings.positive_types}
    trending.count_histories(histories.values(), positive.__contains__, items.item_id)
    return trending
