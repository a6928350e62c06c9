"""The same work through this worker and its rivals: on one Apache Kafka, in turn, in one run.

Rounds are interleaved: each contender once, then each again, so that what else the machine does meets all of
them. Every contender takes the same events and is held to the same: every user's newest event answered, every
offset committed. A run's figures are those of `worker`; the ratios are of the medians.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from stream_app.bench.processes import BenchError
from stream_app.bench.quix_environment import quix_command, quix_variables
from stream_app.bench.worker import NAIVE_AGENT, WORKER, Contender, run_rounds, summary
from stream_app.settings import Settings

BARE_LOOP: tuple[str, ...] = (sys.executable, "-m", "stream_app.bench.bare_loop")
EVENT_BYTES = 200
RIVALS = ("bare_loop", "quix_streams", "naive_faust")
EXACTLY_ONCE = "exactly_once"

Result = dict[str, Any]
Say = Callable[[str], None]


def bench_compare(
    *,
    events: int = 300_000,
    quix_events: int = 60_000,
    naive_events: int = 20_000,
    rounds: int = 3,
    rivals: Sequence[str] = RIVALS,
    exactly_once: bool = True,
    say: Say = lambda line: None,
) -> tuple[list[Result], dict[str, float]]:
    """Results (medians of `rounds`) and ratios: the worker's events/s over each rival's.

    Raises BenchError where an answer is missing, or a rival is unknown.
    """
    if unknown := set(rivals) - set(RIVALS):
        raise BenchError(f"no rival {', '.join(sorted(unknown))}; there are {', '.join(RIVALS)}")
    if exactly_once and (refusal := exactly_once_refusal()):
        say(f"exactly-once is left out: {refusal}")
        exactly_once = False
    sizes = {"bare_loop": events, "quix_streams": quix_events, "naive_faust": naive_events}
    contenders = [_contender("worker", WORKER, events)]
    if exactly_once:
        delivery = {"MILLSTREAM_DELIVERY": "exactly-once"}
        contenders.append(_contender(f"worker_{EXACTLY_ONCE}", WORKER, events, delivery))
    contenders += [_rival(name, sizes[name]) for name in rivals]
    runs = run_rounds(contenders, rounds=rounds, say=say)
    results = [summary(name, of_one) for name, of_one in runs.items()]
    return results, compare_ratios(results)


def compare_ratios(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The worker's events/s over each rival's, and those of exactly-once over those of at-least-once."""
    speed = {result["name"]: result["events_per_second"] for result in results}
    ours = speed.pop("worker")
    return dict(_ratios(ours, speed))


def _ratios(ours: float, speed: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for name, value in speed.items():
        if name == f"worker_{EXACTLY_ONCE}":
            yield EXACTLY_ONCE, round(value / ours, 2)
        else:
            yield name, round(ours / value, 2)


def exactly_once_refusal() -> str | None:
    """Why this version does not deliver exactly once; None where it does."""
    try:
        Settings.model_validate({"delivery": "exactly-once"})
    except ValidationError as error:
        return next(
            (str(problem["msg"]) for problem in error.errors() if problem["loc"] == ("delivery",)), None
        )
    return None


def _rival(name: str, events: int) -> Contender:
    if name == "quix_streams":
        return _contender(name, quix_command(), events, quix_variables())
    return _contender(name, BARE_LOOP if name == "bare_loop" else NAIVE_AGENT, events)


def _contender(
    name: str, command: tuple[str, ...], events: int, environment: Mapping[str, str] | None = None
) -> Contender:
    return Contender(
        name=name, command=command, events=events, environment=environment or {}, event_bytes=EVENT_BYTES
    )
