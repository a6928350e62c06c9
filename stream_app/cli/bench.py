"""`millstream bench …`."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Annotated, Any

import typer

from stream_app.cli.session import AsJson, answer, say

app = typer.Typer(no_args_is_help=True, help="Measure: the figures of the documentation.")

Rounds = Annotated[int, typer.Option(min=1, help="Runs of each; the medians are given.")]


class Emit(StrEnum):
    """As MILLSTREAM_EMIT."""

    touched = "touched"
    each = "each"


@app.command()
def worker(
    events: Annotated[int, typer.Option(min=1000, help="Events a run for the worker.")] = 300_000,
    naive_events: Annotated[int, typer.Option(min=100, help="Events a run for the naive agent.")] = 20_000,
    rounds: Rounds = 3,
    emit: Annotated[
        Emit, typer.Option(help="One list a touched user of a chunk, or one each event.")
    ] = Emit.touched,
    naive: Annotated[bool, typer.Option(help="Run the naive Faust agent beside it.")] = True,
    as_json: AsJson = False,
) -> None:
    """Events a second through the whole worker, without a model, against a naive Faust agent.

    Apache Kafka on one core, the process that is measured on the other; JSON in and out, Zipf over 100,000
    users and 10,000 items; both in turn, in one run. Needs two cores, Linux, Java and Maven.
    """
    from stream_app.bench.worker import bench_worker

    _quiet()
    results, ratios = bench_worker(
        events=events, naive_events=naive_events, emit=emit.value, rounds=rounds, naive=naive, say=say
    )
    _answer(results, ratios, as_json=as_json)


def _quiet() -> None:
    # A topic made a moment ago has no leader yet: aiokafka says so, and tries again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _answer(results: list[dict[str, Any]], ratios: dict[str, float], *, as_json: bool) -> None:
    lines = ["  ".join(f"{key} {value}" for key, value in result.items()) for result in results]
    lines += [f"{name}: {ratio}" for name, ratio in ratios.items()]
    answer("\n".join(lines), {"results": results, "ratios": ratios}, as_json=as_json)
