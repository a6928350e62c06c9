"""Items that come after training: how soon they have a row, and what they cost those who are served.

In one process and without Kafka: from the record that tells of an item to its row in force, by the worker's
own `NewItems` and scoring thread.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle.vocabulary import Vocabulary
from stream_app.bench.processes import BenchError
from stream_app.bench.scorer import NOW_MS, histories
from stream_app.domain.messages import Item, encode
from stream_app.domain.ranking import rank
from stream_app.scoring.catalogue import Catalogue
from stream_app.scoring.microbatch import ScoringThread
from stream_app.scoring.snapshot import Snapshot, load_snapshot
from stream_app.streaming.item_catalogue import ItemCatalogue
from stream_app.streaming.metrics import Metrics
from stream_app.streaming.new_items import NewItems

BATCH, LIST_LENGTH = 32, 10
MILLION = 1_000_000

Result = dict[str, Any]


def some_items(count: int, *, name: str = "item", seed: int = 0) -> list[Item]:
    """Items as a shop tells of them: a title of some words, two categories, a brand, a price."""
    random = np.random.default_rng(seed)
    words, kinds, brands = (random.integers(bound, size=(count, 5)) for bound in (2_000, 40, 300))
    return [
        Item(
            item_id=f"{name}-{number}",
            title=" ".join(f"word{word}" for word in words[number].tolist()),
            categories=tuple(f"kind{kind}" for kind in kinds[number, :2].tolist()),
            features={"brand": f"brand{brands[number, 0]}", "price": float(words[number, 0])},
        )
        for number in range(count)
    ]


def bench_new_items(
    bundle: Path, *, singles: int = 200, many: int = 1_000, users: int = 1_024, rounds: int = 5
) -> tuple[list[Result], dict[str, float]]:
    """Results and ratios for a bundle's folder; the ratio is of users a second, with and without the items.

    Raises BenchError where the bundle has no item tower.
    """
    fresh = load_snapshot(bundle, device="cpu")
    if fresh.tower is None:
        raise BenchError(f"{bundle} has no item tower; train it with --items")
    soon = asyncio.run(_soon(load_snapshot(bundle, device="cpu"), singles=singles, many=many))
    grown = load_snapshot(bundle, device="cpu")
    # As many as fit into the spare rows: more rows would cost more, whatever is in them.
    spare = grown.catalogue.rows - 1 - len(grown.vocabulary)
    grown.add_items(some_items(spare, name="later", seed=1))
    without, beside = asyncio.run(_throughput(fresh, grown, users=users, rounds=rounds))
    results = [*soon, _of_a_million(width=fresh.manifest.width), without, beside]
    ratio = beside["users_per_second"] / without["users_per_second"]
    return results, {f"with_{spare}_new_items_over_without": round(ratio, 3)}


async def _soon(snapshot: Snapshot, *, singles: int, many: int) -> list[Result]:
    scoring, items = ScoringThread(), ItemCatalogue()
    new_items = NewItems(items, scoring=scoring, metrics=Metrics())
    scoring.start()
    new_items.prepare(snapshot)
    scoring.swap(snapshot)
    new_items.served(snapshot)
    running = asyncio.create_task(new_items.run())
    records = [(item.item_id.encode(), encode(item)) for item in some_items(singles + many + 1, name="new")]

    async def took(some: Sequence[tuple[bytes, bytes]]) -> float:
        wanted, began = snapshot.added + len(some), time.perf_counter()
        for key, value in some:
            items.apply(key, value)
        while snapshot.added < wanted:
            await asyncio.sleep(0.001)  # not 0, which would take the processor from what is measured
        return time.perf_counter() - began

    try:
        await took(records[:1])
        each = [await took([record]) for record in records[1 : singles + 1]]
        together = await took(records[singles + 1 :])
    finally:
        running.cancel()
        await scoring.stop()
    return [
        {"name": "one_item", "items": singles, **_milliseconds(each)},
        {"name": "many_items", "items": many, "ms": round(together * 1e3, 1)},
    ]


def _of_a_million(*, width: int) -> Result:
    """The look-up and the tables of a very large catalogue: one more item, and one that needs more room."""
    vocabulary = Vocabulary([f"item-{number}" for number in range(MILLION)])
    vocabulary.add(["first"])  # makes the room
    one = _times(lambda number: vocabulary.add([f"new-{number}"]), 1_000)
    rows = -(-MILLION // 256) * 256 + 256
    table = Catalogue(vectors=np.zeros((rows, width), np.float32), bias=np.zeros(rows, np.float32))
    grow = _times(lambda _: table.make_room(table.rows), 1)
    return {
        "name": "catalogue_of_a_million",
        "name_of_one_more_us": round(statistics.median(one) * 1e6, 1),
        "name_of_one_more_worst_us": round(max(one) * 1e6, 1),
        "larger_table_ms": round(grow[0] * 1e3, 1),
    }


async def _throughput(
    without: Snapshot, beside: Snapshot, *, users: int, rounds: int
) -> tuple[Result, Result]:
    """Both in turn; one on histories of trained items, the other on histories of the new ones too."""
    count = without.manifest.item_count
    hashes = {
        "without": without.vocabulary.hashes[1 : count + 1].tolist(),
        "beside": beside.vocabulary.hashes[1:].tolist(),
    }
    taken: dict[str, list[float]] = {name: [] for name in hashes}
    records = {name: histories(known, users=users) for name, known in hashes.items()}
    for _ in range(rounds):
        for name, snapshot in (("without", without), ("beside", beside)):
            taken[name].append(await _score_all(snapshot, records[name]))
    found = [
        {
            "name": f"scoring_{name}",
            "batch": BATCH,
            "users_per_second": round(users / statistics.median(times)),
        }
        for name, times in taken.items()
    ]
    return found[0], found[1]


async def _score_all(snapshot: Snapshot, records: Sequence[bytes]) -> float:
    scoring = ScoringThread(max_batch=BATCH)
    scoring.start()
    scoring.swap(snapshot)
    began = time.perf_counter()
    for start in range(0, len(records), BATCH):
        some = records[start : start + BATCH]
        scored = await scoring.score(some, [NOW_MS] * len(some))
        assert scored is not None
        rank(scored.ranked, scored.item_ids, scored.snapshot.vocabulary, k=LIST_LENGTH)
    taken = time.perf_counter() - began
    await scoring.stop()
    return taken


def _times(call: Callable[[int], object], count: int) -> list[float]:
    taken = []
    for number in range(count):
        began = time.perf_counter()
        call(number)
        taken.append(time.perf_counter() - began)
    return taken


def _milliseconds(times: Sequence[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "median_ms": round(statistics.median(ordered) * 1e3, 2),
        "p99_ms": round(ordered[int(0.99 * len(ordered))] * 1e3, 2),
    }
