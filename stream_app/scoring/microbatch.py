"""The scoring thread: rows of many callers, put together into batches that the model is fast at.

Nothing waits for a batch to fill: a thread takes what has queued up while it scored the last one, at most
`max_batch` rows. So a lone request is scored at once, and under load batches fill by themselves. Encoding is
done there too, beside the event loop. What changes in a catalogue is written there, between two batches.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from queue import Empty, SimpleQueue
from typing import TypeVar

from models.bundle.context import Context
from stream_app.scoring.item_tower import TowerRows
from stream_app.scoring.requests import Piece, Request, Scored, nothing, score_pieces
from stream_app.scoring.snapshot import Snapshot

_T = TypeVar("_T")


class _Wake(Enum):
    """Put into the queue where there is something to write, and perhaps nothing to score."""

    WAKE = 0


_Queued = Piece | _Wake | None
"""None ends the thread."""


class ScoringDead(Exception):
    """The scoring thread has ended: the worker must end too, and must not commit what was not answered."""


class ScoringThread:
    """Scores histories with the current snapshot, in `threads` threads of its own (1 or 2).

    All methods are called on one event loop. A request keeps the snapshot that was current when it was made;
    what is asked after a swap is scored with the new one. `on_batch` is told the rows of every batch, by the
    thread that scores it.
    """

    def __init__(
        self, *, max_batch: int = 32, threads: int = 1, on_batch: Callable[[int], None] = lambda rows: None
    ) -> None:
        if max_batch < 1 or threads not in (1, 2):
            raise ValueError(f"max_batch is at least 1, threads 1 or 2; found {max_batch} and {threads}")
        self._max_batch = max_batch
        self._thread_count = threads
        self._on_batch = on_batch
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: SimpleQueue[_Queued] = SimpleQueue()
        self._snapshot: Snapshot | None = None
        self._pending: set[Request] = set()
        self._unavailable: set[int] = set()
        self._changed: deque[int] = deque()
        self._new_rows: deque[tuple[Snapshot, TowerRows]] = deque()
        self._changing = threading.Lock()
        self._counting = threading.Lock()
        self._dead: BaseException | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """What the next request is scored with."""
        return self._snapshot

    @property
    def pending_rows(self) -> int:
        """Rows that were asked for and are not scored yet."""
        return sum(request.missing for request in self._pending)

    @property
    def unavailable_hashes(self) -> frozenset[int]:
        """The items that are out of the lists, for `load_snapshot`."""
        return frozenset(self._unavailable)

    def start(self) -> None:
        """Start the threads; called on the event loop that will await the answers."""
        self._loop = asyncio.get_running_loop()
        for number in range(self._thread_count):
            thread = threading.Thread(target=self._run, name=f"scoring-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    async def stop(self) -> None:
        """End the threads after the batch at hand; what is still pending raises ScoringDead."""
        self._die(RuntimeError("the worker stops"))
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def score(
        self,
        records: Sequence[bytes],
        now_ms: Sequence[int],
        contexts: Sequence[Context] | None = None,
    ) -> Scored | None:
        """Rank for packed histories at the moments `now_ms` (ms since the epoch), one for each record, under
        the circumstances `contexts`, where these are known.

        None where no model is loaded. Raises ScoringDead when a thread has ended, or ends before the answer.
        """
        if self._dead is not None:
            raise _scoring_dead(self._dead)
        if self._loop is None:
            raise RuntimeError("scoring was not started; call start() on the event loop first")
        if len(records) != len(now_ms):
            raise ValueError(f"a moment for each record is needed, found {len(now_ms)} for {len(records)}")
        snapshot = self._snapshot
        if snapshot is None:
            return None
        if not records:
            return nothing(snapshot)
        request = Request(records, now_ms, contexts, snapshot, self._loop.create_future(), len(records))
        self._pending.add(request)
        try:
            # Cut here, so that two threads can share a large request.
            for piece in request.pieces(self._max_batch):
                self._queue.put(piece)
            return await request.answer
        finally:
            self._pending.discard(request)

    def swap(self, snapshot: Snapshot | None) -> None:
        """Score what is asked from now on with this snapshot; what is in flight keeps its own."""
        if snapshot is not None and snapshot is not self._snapshot:
            # Not in use yet, so it may be written here: what changed while it was loading is made good.
            snapshot.set_unavailable(self._unavailable)
        self._snapshot = snapshot

    def set_available(self, item_hash: int, available: bool) -> None:
        """Take an item out of the lists from the next batch on, or let it in again; later snapshots too."""
        if available == (item_hash not in self._unavailable):
            return
        if available:
            self._unavailable.discard(item_hash)
        else:
            self._unavailable.add(item_hash)
        self._changed.append(item_hash)

    def write_rows(self, snapshot: Snapshot, rows: TowerRows) -> None:
        """Put rows of a snapshot in force before its next batch, and at once where nothing is being scored.

        A snapshot that serves no longer takes them too: its requests in flight may have asked for them.
        """
        self._new_rows.append((snapshot, rows))
        self._queue.put(_Wake.WAKE)

    def _run(self) -> None:
        carried: Piece | None = None
        try:
            while True:
                first = carried or self._queue.get()
                if first is None or self._dead is not None:
                    self._queue.put(None)  # for the other thread
                    return
                if isinstance(first, _Wake):
                    self._apply_changes()
                    continue
                pieces, carried = self._fill(first)
                self._apply_changes()
                self._score(first.request.snapshot, pieces)
        except BaseException as error:
            self._on_loop(self._die, error)

    def _fill(self, first: Piece) -> tuple[list[Piece], Piece | None]:
        """A batch that begins with `first`, and the piece that was taken but is left for the next one."""
        pieces, room = [first], self._max_batch - len(first)
        while room > 0:
            try:
                piece = self._queue.get_nowait()
            except Empty:
                break
            if piece is None:
                self._queue.put(None)
                break
            if isinstance(piece, _Wake):
                continue  # changes are applied before each batch
            if piece.request.snapshot is not first.request.snapshot:
                return pieces, piece
            head, rest = piece.split(room)
            pieces.append(head)
            if rest is not None:
                return pieces, rest
            room -= len(head)
        return pieces, None

    def _apply_changes(self) -> None:
        # Always under the lock: the other thread may be halfway through rows that this batch must see.
        with self._changing:
            while self._new_rows:
                target, rows = self._new_rows.popleft()
                target.write_rows(rows, unavailable_hashes=self._unavailable)
            # Before the snapshot is read: what is asked for after a swap is never done to the one before.
            changed = {self._changed.popleft() for _ in range(len(self._changed))}
            snapshot = self._snapshot
            if changed and snapshot is not None:
                # What holds now, not what was asked for then: a later change of the same item is in it.
                out = {item_hash for item_hash in changed if item_hash in self._unavailable}
                snapshot.set_available(out, available=False)
                snapshot.set_available(changed - out, available=True)

    def _score(self, snapshot: Snapshot, pieces: list[Piece]) -> None:
        pieces = [piece for piece in pieces if not piece.request.answer.done()]  # or nobody waits any more
        if not pieces:
            return
        self._on_batch(sum(map(len, pieces)))
        finished = []
        for piece, columns in score_pieces(snapshot, pieces):
            request = piece.request
            request.parts[piece.start] = columns
            with self._counting:
                request.missing -= len(piece)
                if not request.missing:
                    finished.append(request)
        if finished:
            self._on_loop(_answer, finished)

    def _die(self, error: BaseException) -> None:
        self._dead = self._dead or error
        self._queue.put(None)
        for request in self._pending:
            if not request.answer.done():
                request.answer.set_exception(_scoring_dead(self._dead))

    def _on_loop(self, call: Callable[[_T], None], value: _T) -> None:
        """One wake-up of the event loop for a whole batch."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(call, value)


def _answer(finished: list[Request]) -> None:
    for request in finished:
        if not request.answer.done():
            request.answer.set_result(request.assemble())


def _scoring_dead(error: BaseException) -> ScoringDead:
    dead = ScoringDead(f"scoring has ended: {error!r}; restart the worker")
    dead.__cause__ = error
    return dead
