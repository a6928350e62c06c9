"""Items that came after training: each gets a row in the serving model, made of what is told of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import islice

from models.bundle.hashing import item_hash
from stream_app.domain.messages import Item
from stream_app.scoring.item_tower import TowerRows
from stream_app.scoring.microbatch import ScoringThread
from stream_app.scoring.snapshot import Snapshot
from stream_app.streaming.item_catalogue import ItemCatalogue
from stream_app.streaming.metrics import Metrics

log = logging.getLogger(__name__)

_AT_A_TIME = 256


class NewItems:
    """Keeps the rows of the serving model at what the catalogue tells of items that it was not trained on.

    A version gets the rows of all that are known by `prepare`, before it serves; what is told while it loads
    follows once it is `served`. From then on `run` makes a row of each item that is told of, beside the event
    loop, and the scoring thread puts it in force.
    """

    def __init__(self, items: ItemCatalogue, *, scoring: ScoringThread, metrics: Metrics) -> None:
        self._items = items
        self._scoring = scoring
        self._metrics = metrics
        self._waiting: dict[int, Item] = {}
        self._journals: list[tuple[Snapshot, dict[int, Item]]] = []
        """What was told since a version was prepared. Two may load at a time: one may have been given up."""
        self._something = asyncio.Event()
        self._said: set[tuple[str, str]] = set()
        items.on_item(self.note)
        metrics.item_rows_added.set_function(self._added)

    @property
    def waiting(self) -> int:
        """Items that were told of and not looked at yet."""
        return len(self._waiting)

    def note(self, item: Item) -> None:
        """An item is new, or something else is told of it."""
        hashed = item_hash(item.item_id)
        for _, journal in self._journals:
            journal[hashed] = item
        if self._scoring.snapshot is not None:
            self._waiting[hashed] = item
            self._something.set()

    def prepare(self, snapshot: Snapshot) -> None:
        """Give a version that does not serve yet its rows. Blocks: not for an event loop's thread."""
        # In this order: what is told between the two is in both.
        self._journals.append((snapshot, {}))
        known = self._items.all()
        try:
            given = snapshot.add_items(known, unavailable_hashes=self._items.unavailable)
        except Exception as error:  # as in `_give`; a model without later items is better than none
            self._failed(snapshot, known, error)
            return
        if given is not None:
            self._tell(snapshot, given)
            if len(given):
                snapshot.warm()  # the tables may have grown

    def served(self, snapshot: Snapshot) -> None:
        """A version that was prepared serves from now on."""
        while self._journals:
            prepared, told = self._journals.pop(0)
            if prepared is snapshot:
                self._waiting |= told
                break
        if self._waiting:
            self._something.set()

    async def run(self) -> None:
        """Make rows of what is told, for ever. Cancel it to end."""
        while True:
            await self._something.wait()
            self._something.clear()
            while self._waiting:
                snapshot = self._scoring.snapshot
                some = [self._waiting.pop(hashed) for hashed in [*islice(self._waiting, _AT_A_TIME)]]
                if snapshot is not None and snapshot.tower is not None:
                    await self._give(snapshot, snapshot.lacks(some))
                await asyncio.sleep(0)  # where nothing was to be made, the loop has other work all the same

    async def _give(self, snapshot: Snapshot, items: Sequence[Item]) -> None:
        assert snapshot.tower is not None
        if not items:
            return
        try:
            rows = await asyncio.to_thread(snapshot.tower.rows, items)
        except Exception as error:  # onnxruntime's own have no common base; the lists go on without
            if len(items) > 1:  # one of them may be at fault
                for item in items:
                    await self._give(snapshot, [item])
                return
            self._failed(snapshot, items, error)
            return
        self._tell(snapshot, rows)
        if len(rows):
            self._scoring.write_rows(snapshot, rows)

    def _failed(self, snapshot: Snapshot, items: Sequence[Item], error: Exception) -> None:
        log.error("the item tower of model %s failed", snapshot.version, exc_info=error)
        reason = f"the tower failed ({type(error).__name__})"
        self._refuse(snapshot, [(item.item_id, reason) for item in items])

    def _tell(self, snapshot: Snapshot, rows: TowerRows) -> None:
        self._refuse(snapshot, rows.refused)
        for reason, times in rows.ignored.items():
            if self._is_first(snapshot, reason):
                log.warning(
                    "model %s does not read all that is told of %d items (%s), but the rest of it",
                    snapshot.version,
                    times,
                    reason,
                )

    def _refuse(self, snapshot: Snapshot, refused: Sequence[tuple[str, str]]) -> None:
        self._metrics.items_refused.inc(len(refused))
        for item_id, reason in refused:
            if self._is_first(snapshot, reason):
                log.warning(
                    "item %r gets no row in model %s: %s; send more of its fields, or train again once it "
                    "has events (others like it are counted in millstream_items_refused)",
                    item_id[:64],
                    snapshot.version,
                    reason,
                )

    def _is_first(self, snapshot: Snapshot, reason: str) -> bool:
        """Whether this was not said of the version yet."""
        before = len(self._said)
        self._said.add((snapshot.version, reason))
        return len(self._said) > before

    def _added(self) -> int:
        snapshot = self._scoring.snapshot
        return 0 if snapshot is None else snapshot.added
