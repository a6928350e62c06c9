"""Scoring: onnxruntime alone against the same batches through the scoring thread.

Both get the same histories in one run, turn by turn. Alone means inputs that are encoded already, and answers
that nobody reads; through the thread means records in, encode, score, decode, lists out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stream_app.domain.encoding import encode
from stream_app.domain.history import ENTRY, FORMAT, HEADER
from stream_app.domain.ranking import rank
from stream_app.scoring.device import Device
from stream_app.scoring.microbatch import ScoringThread
from stream_app.scoring.onnx_scorer import OnnxScorer
from stream_app.scoring.snapshot import Snapshot, load_snapshot

ITEMS, MAX_LENGTH, WIDTH = 3_700, 50, 64
BATCHES = (1, 8, 32, 64)
MICRO_BATCH = 32
"""What a worker puts together at most, unless told otherwise."""
WINDOW = 200
LIST_LENGTH = 10
IN_FLIGHT = 2
USERS_A_TURN = 128
NOW_MS = 1_700_000_000_000

Result = dict[str, Any]


class _Taken(NamedTuple):
    """Wall and processor time; on a busy machine the second is the steadier one."""

    seconds: float
    cpu_seconds: float

    def over(self, users: int) -> _Taken:
        return _Taken(self.seconds / users, self.cpu_seconds / users)


def bench_scorer(
    bundle: Path,
    *,
    device: Device = "cpu",
    batches: Sequence[int] = BATCHES,
    threads: int = 1,
    rounds: int = 3,
    users: int = 1_024,
    cores: int | None = 1,
) -> list[Result]:
    """Users per second at each batch size, medians over many turns; `scorer_ratios` compares them.

    `bundle` is a model's folder; one of random weights does (`training.untrained`). `cores` is what the
    process may use, as a worker beside its broker: with a second core the decoding would hide behind the
    model. Results have name, batch, threads, users_per_second, us_per_user, cpu_us_per_user.
    """
    snapshot = load_snapshot(bundle, device=device)
    allowed = _take_cores(cores)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(
                _measure(snapshot, batches=batches, threads=threads, rounds=rounds, users=users)
            )
    finally:
        _give_cores(allowed)


def scorer_ratios(results: Sequence[Result]) -> dict[str, float]:
    """Through the thread over alone, at each batch size; the one without a size is at `MICRO_BATCH`.

    At 1 the fixed price of a call is paid for one user: a worker with little to do, not one at its limit.
    """
    speed = {(result["name"], result["batch"]): result["users_per_second"] for result in results}
    ratios = {
        f"scoring_thread_over_onnxruntime_at_{batch}": round(speed["scoring_thread", batch] / alone, 3)
        for (name, batch), alone in speed.items()
        if name == "onnxruntime"
    }
    usual = ratios.get(f"scoring_thread_over_onnxruntime_at_{MICRO_BATCH}")
    return ratios if usual is None else {"scoring_thread_over_onnxruntime": usual, **ratios}


def histories(item_hashes: Sequence[int], *, users: int, seed: int = 0) -> list[bytes]:
    """Packed histories of 1 to `WINDOW` events, as a worker would have stored them."""
    random = np.random.default_rng(seed)
    records = []
    for length in random.integers(1, WINDOW + 1, size=users):
        ages_ms = np.sort(random.integers(0, 30 * 86_400_000, size=length))[::-1]
        chosen = random.integers(0, len(item_hashes), size=length)
        entries = (
            ENTRY.pack(item_hashes[item], (NOW_MS - age_ms) << 8 | 1)
            for item, age_ms in zip(chosen.tolist(), ages_ms.tolist(), strict=True)
        )
        records.append(HEADER.pack(FORMAT, 0, 0, NOW_MS, 0) + b"".join(entries))
    return records


async def _measure(
    snapshot: Snapshot, *, batches: Sequence[int], threads: int, rounds: int, users: int
) -> list[Result]:
    records = histories(snapshot.vocabulary.hashes[1:].tolist(), users=users)
    taken: dict[tuple[str, int], list[_Taken]] = {}
    for batch in batches:
        for turn in _turns(records, batch=batch) * rounds:
            alone = _alone(snapshot, turn)
            through = await _through_thread(snapshot, turn, max_batch=batch, threads=threads)
            for name, took in (("onnxruntime", alone), ("scoring_thread", through)):
                taken.setdefault((name, batch), []).append(took.over(len(turn) * batch))
    return [
        {
            "name": name,
            "batch": batch,
            "threads": threads if name == "scoring_thread" else 1,
            "users_per_second": round(1 / statistics.median(turn.seconds for turn in turns)),
            "us_per_user": round(statistics.median(turn.seconds for turn in turns) * 1e6, 1),
            "cpu_us_per_user": round(statistics.median(turn.cpu_seconds for turn in turns) * 1e6, 1),
        }
        for (name, batch), turns in taken.items()
    ]


def _turns(records: list[bytes], *, batch: int) -> list[list[list[bytes]]]:
    """The batches of each turn: short turns, so that what else the machine does meets both ways alike."""
    chunks = [records[start : start + batch] for start in range(0, len(records) - batch + 1, batch)]
    together = max(4, USERS_A_TURN // batch)
    return [chunks[start : start + together] for start in range(0, len(chunks) - together + 1, together)]


def _alone(snapshot: Snapshot, chunks: Sequence[list[bytes]]) -> _Taken:
    scorer = snapshot.scorer
    assert isinstance(scorer, OnnxScorer)
    inputs = [
        encode(chunk, [NOW_MS] * len(chunk), snapshot.vocabulary, max_length=scorer.max_length)
        for chunk in chunks
    ]
    scorer.run(inputs[0])
    with _stopwatch() as taken:
        for one in inputs:
            scorer.run(one)
    return taken[0]


async def _through_thread(
    snapshot: Snapshot, chunks: Sequence[list[bytes]], *, max_batch: int, threads: int
) -> _Taken:
    scoring = ScoringThread(max_batch=max_batch, threads=threads)
    scoring.start()
    scoring.swap(snapshot)
    waiting = iter(chunks)

    async def caller() -> None:
        for chunk in waiting:
            scored = await scoring.score(chunk, [NOW_MS] * len(chunk))
            assert scored is not None
            rank(scored.ranked, scored.item_ids, scored.snapshot.vocabulary, k=LIST_LENGTH)

    try:
        await scoring.score(chunks[0], [NOW_MS] * len(chunks[0]))
        with _stopwatch() as taken:
            await asyncio.gather(*(caller() for _ in range(IN_FLIGHT * threads)))
        return taken[0]
    finally:
        await scoring.stop()


@contextlib.contextmanager
def _stopwatch() -> Iterator[list[_Taken]]:
    taken: list[_Taken] = []
    begin, cpu_begin = time.perf_counter(), time.process_time()
    yield taken
    taken.append(_Taken(time.perf_counter() - begin, time.process_time() - cpu_begin))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop that a worker runs on."""
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return None
    return uvloop.new_event_loop


def _take_cores(cores: int | None) -> set[int] | None:
    if cores is None or not hasattr(os, "sched_setaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(allowed)[-cores:]))
    return allowed


def _give_cores(allowed: set[int] | None) -> None:
    if allowed is not None:
        os.sched_setaffinity(0, allowed)
