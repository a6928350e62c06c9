"""What the prequential protocol says offline is what a worker does live, event by event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.signature import EVENT_TYPES
from stream_app.brokers import Broker
from stream_app.cli.training_parts import open_bundle
from tests.announcing import announce
from tests.conftest import MakeWorker
from tests.event_stream import read_json, send_events, until_settled
from tests.tiny_bundle import make_tiny_bundle
from tests.worker_process import WorkerProcess
from training.dataset import HistoryRules
from training.evaluation.histories import Histories
from training.evaluation.judging import judge
from training.evaluation.protocols.prequential import prequential_from
from training.evaluation.served import ServedModel
from training.interactions import Interactions
from training.sample import INTERACTIONS
from training.sources.files import read_interactions

EVENTS, FIRST, SWAP = 3000, 1000, 2000
RULES = HistoryRules(history_limit=30, max_age_ms=20 * 86_400_000)
Outcomes = dict[int, tuple[str, int]]


class InTurn:
    """The first model after the first fit, the second after the second; remembers who answered for what.

    A history of which a model knows nothing gets the fallback from a worker: None answered.
    """

    name = "in turn"

    def __init__(self, models: list[ServedModel], known: list[list[str]], log: Interactions) -> None:
        self._next = iter(
            zip(models, [[log.items.index(item) for item in items] for items in known], strict=True)
        )
        self.answered_by: list[str | None] = []

    def fit(self, training: Interactions) -> None:
        self._model, self._known = next(self._next)

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        for row in range(len(histories)):
            knows = np.isin(histories.item[row], self._known).any()
            self.answered_by.append(self._model.name if knows else None)
        return self._model.recommend(histories, k=k)


async def test_offline_and_live_agree_to_the_last_event(
    broker: Broker, make_worker: MakeWorker, tmp_path: Path
) -> None:
    log = read_interactions(INTERACTIONS).part(0, EVENTS)
    # Some items are known to both models, some to one, some to none.
    items = list(dict.fromkeys(log.items[code] for code in log.item.tolist()))
    known = [items[: len(items) * 2 // 3], items[len(items) // 4 :: 2]]
    bundles = [make_tiny_bundle(tmp_path / f"staging-{n}", known[n], seed=n) for n in range(2)]

    judged, live = await _live(broker, make_worker, tmp_path, log, bundles)
    asked, offline = _offline(log, [open_bundle(bundle) for bundle in bundles], known)
    assert live == offline
    # The same events are judged and passed over, whoever gave the list.
    assert judged == asked
    assert {version for version, _ in live.values()} == {"tiny-0", "tiny-1"}
    # Lists from before the swap judge events after it.
    assert any(version == "tiny-0" for place, (version, _) in live.items() if place >= SWAP)
    assert len(live) > 1000 and 0 < sum(rank > 0 for _, rank in live.values()) < len(live)


async def _live(
    broker: Broker, make_worker: MakeWorker, folder: Path, log: Interactions, bundles: list[Path]
) -> tuple[list[int], Outcomes]:
    """The offsets of all judged events, and their ranks where a model gave the list; 0 = not in it."""
    worker = make_worker(
        broker,
        partitions=1,
        settings={
            "emit": "each",
            "history_limit": RULES.history_limit,
            "history_days": RULES.max_age_ms / 86_400_000,
            "positive_types": ",".join(RULES.positive_types),
        },
    )
    worker.start()
    await worker.ready()
    events = [_event(log, place) for place in range(len(log))]
    for bundle, part in zip(bundles, (events[:SWAP], events[SWAP:]), strict=True):
        await _swap(worker, bundle, folder)
        await send_events(worker, part)
        await until_settled(worker)
    outcomes = await read_json(broker.bootstrap_servers, worker.names.outcomes)
    tested = [one for one in outcomes if one["event"]["offset"] >= FIRST]
    by_model = {
        one["event"]["offset"]: (one["model"]["version"], one["rank"] or 0)
        for one in tested
        if one["model"]["role"] == "champion"
    }
    return sorted(one["event"]["offset"] for one in tested), by_model


async def _swap(worker: WorkerProcess, bundle: Path, folder: Path) -> None:
    version = await announce(worker, bundle, registry=folder / "registry")
    await worker.says(f"model {version} serves now")


def _event(log: Interactions, place: int) -> dict[str, Any]:
    return {
        "user_id": log.users[log.user[place]],
        "item_id": log.items[log.item[place]],
        "type": EVENT_TYPES[log.type_code[place]],
        "timestamp": int(log.timestamp_ms[place]),
    }


def _offline(
    log: Interactions, models: list[ServedModel], known: list[list[str]]
) -> tuple[list[int], Outcomes]:
    plan = prequential_from(log, first=FIRST, rules=RULES, fits=2)
    assert FIRST + (EVENTS - FIRST) // 2 == SWAP
    in_turn = InTurn(models, known, log)
    asked, (judged,) = judge(plan, [in_turn], k=10)
    answers = zip(asked.place.tolist(), in_turn.answered_by, judged.rank.tolist(), strict=True)
    by_model = {place: (version, rank) for place, version, rank in answers if version is not None}
    return sorted(asked.place.tolist()), by_model
