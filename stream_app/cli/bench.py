"""`millstream bench …`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from stream_app.cli.bench_options import (
    RANDOM,
    Deliver,
    Emit,
    Model,
    Rounds,
    bundle_of,
    rates_of,
    served_by,
)
from stream_app.cli.session import AsJson, answer, say

app = typer.Typer(no_args_is_help=True, help="Measure: the figures of the documentation.")


@app.command()
def worker(
    events: Annotated[
        int | None, typer.Option(min=1000, help="Events a run; 300,000, with a model 60,000, by default.")
    ] = None,
    naive_events: Annotated[int, typer.Option(min=100, help="Events a run for the naive agent.")] = 20_000,
    rounds: Rounds = 3,
    emit: Annotated[
        Emit, typer.Option(help="One list a touched user of a chunk, or one each event.")
    ] = Emit.touched,
    naive: Annotated[bool, typer.Option(help="Run the naive Faust agent beside it.")] = True,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Events a second through the whole worker, against a naive Faust agent.

    Apache Kafka on one core, the process that is measured on the other; JSON in and out, Zipf over 100,000
    users and 10,000 items; both in turn, in one run. With --model the worker serves a model and the rival is
    onnxruntime alone, on the same histories. Needs two cores, Linux, Java and Maven.
    """
    from stream_app.bench.served_model import bench_served_model
    from stream_app.bench.worker import bench_worker

    _quiet()
    if model is None:
        results, ratios = bench_worker(
            events=events or 300_000,
            naive_events=naive_events,
            emit=emit.value,
            rounds=rounds,
            naive=naive,
            say=say,
        )
    else:
        with bundle_of(model) as folder:
            results, ratios = bench_served_model(
                folder, events=events or 60_000, emit=emit.value, rounds=rounds, say=say
            )
    _answer(results, ratios, as_json=as_json)


@app.command()
def compare(
    events: Annotated[
        int, typer.Option(min=1000, help="Events a run for the worker and the loop.")
    ] = 300_000,
    quix_events: Annotated[int, typer.Option(min=1000, help="Events a run for Quix Streams.")] = 60_000,
    naive_events: Annotated[int, typer.Option(min=100, help="Events a run for the naive agent.")] = 20_000,
    rounds: Rounds = 3,
    bare: Annotated[bool, typer.Option(help="Run a bare loop over aiokafka and rocksdict.")] = True,
    quix: Annotated[bool, typer.Option(help="Run Quix Streams, in an environment of its own.")] = True,
    naive: Annotated[bool, typer.Option(help="Run the naive Faust agent.")] = True,
    exactly_once: Annotated[bool, typer.Option(help="Run the worker with exactly-once delivery too.")] = True,
    as_json: AsJson = False,
) -> None:
    """The same work through the worker, a bare loop, Quix Streams and a naive Faust agent.

    One Apache Kafka on one core, each in turn on the other; 200-byte events, Zipf over 100,000 users, 4
    partitions; the same JSON in and out, the same lists. Needs two cores, Linux, Java and Maven; Quix Streams
    is fetched on first use.
    """
    from stream_app.bench.compare import RIVALS, bench_compare

    _quiet()
    results, ratios = bench_compare(
        events=events,
        quix_events=quix_events,
        naive_events=naive_events,
        rounds=rounds,
        rivals=[name for name, wanted in zip(RIVALS, (bare, quix, naive), strict=True) if wanted],
        exactly_once=exactly_once,
        say=say,
    )
    _answer(results, ratios, as_json=as_json)


@app.command()
def latency(
    model: Annotated[
        str, typer.Option(help="3,700 items, L = 50, d = 64, or the fallback alone.", metavar="random|none")
    ] = RANDOM,
    rates: Annotated[
        str, typer.Option(help="Events a second, with commas; 'half' of the sustainable load.")
    ] = "100,half",
    seconds: Annotated[float, typer.Option(min=1, help="Of each load, after the warm-up.")] = 20.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds of each load that do not count.")] = 5.0,
    delivery: Annotated[Deliver, typer.Option(help="As MILLSTREAM_DELIVERY.")] = Deliver.at_least_once,
    as_json: AsJson = False,
) -> None:
    """From the sending of an event to the arrival of its recommendation, under an open load.

    Every event has its moment, and its latency counts from there, whatever held it up; beside it the time
    that the broker alone takes at the same rate. Needs two cores, Linux, Java and Maven.
    """
    from stream_app.bench.latency import bench_latency

    wanted = rates_of(rates)
    _quiet()
    with served_by(model) as (folder, items):
        results, ratios = bench_latency(
            folder,
            items=items,
            rates=wanted,
            seconds=seconds,
            warm_up_s=warm_up,
            delivery=delivery.value,
            say=say,
        )
    _answer(results, ratios, as_json=as_json)


@app.command()
def overload(
    model: Annotated[
        str, typer.Option(help="3,700 items, L = 50, d = 64, or the fallback alone.", metavar="random|none")
    ] = RANDOM,
    factor: Annotated[float, typer.Option(min=0.1, help="Of what the worker sustains.")] = 10.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Far more events than the worker sustains, for a minute: memory, lag, and the latency before and after.

    What is sustained is measured first, in the same run. Needs two cores, Linux, Java and Maven.
    """
    from stream_app.bench.overload import bench_overload

    _quiet()
    with served_by(model) as (folder, items):
        results, ratios = bench_overload(folder, items=items, factor=factor, seconds=seconds, say=say)
    _answer(results, ratios, as_json=as_json)


@app.command()
def recovery(
    users: Annotated[int, typer.Option(min=100, help="Users with a history each.")] = 100_000,
    entries: Annotated[
        int, typer.Option(min=1, max=1000, help="Events a history: 48 are 800 bytes, 150 are 2.4 kB.")
    ] = 150,
    updates: Annotated[
        int, typer.Option(min=0, help="Recover again after so many updates of each user; 0: do not.")
    ] = 0,
    rounds: Rounds = 3,
    lists: Annotated[bool, typer.Option(help="Recover the users' last lists as well.")] = True,
    stock: Annotated[bool, typer.Option(help="Let stock Faust recover the same changelogs.")] = True,
    as_json: AsJson = False,
) -> None:
    """How long a worker takes to bring its users' state back, from an empty disk and from its own.

    From the assignment of its partitions to its readiness, and the worker's memory with 10,000 items. Needs
    two cores, Linux, Java and Maven.
    """
    from stream_app.bench.recovery import bench_recovery

    _quiet()
    results, ratios = bench_recovery(
        users=users,
        entries=entries,
        updates=updates,
        rounds=rounds,
        lists=lists,
        stock=stock,
        say=say,
    )
    _answer(results, ratios, as_json=as_json)


@app.command()
def takeover(
    users: Annotated[int, typer.Option(min=100, help="Users with a history of 800 bytes each.")] = 100_000,
    session: Annotated[float, typer.Option(min=6, help="Seconds that the group waits for the dead.")] = 6.0,
    rounds: Rounds = 3,
    as_json: AsJson = False,
) -> None:
    """How long the users of a worker that was killed wait for the other one, with a standby and without.

    From the kill to the first list on the last of its partitions. Needs two cores, Linux, Java and Maven.
    """
    from stream_app.bench.takeover import bench_takeover

    _quiet()
    results, ratios = bench_takeover(users=users, session_s=session, rounds=rounds, say=say)
    _answer(results, ratios, as_json=as_json)


@app.command()
def growth(
    users: Annotated[str, typer.Option(help="Numbers of users, with commas.")] = "10000,1000000",
    entries: Annotated[
        int, typer.Option(min=1, max=1000, help="Events a history: 48 are 800 bytes, 150 are 2.4 kB.")
    ] = 48,
    events: Annotated[int, typer.Option(min=1000, help="Events a run.")] = 200_000,
    emit: Annotated[
        Emit, typer.Option(help="One list a touched user of a chunk, or one each event.")
    ] = Emit.touched,
    rounds: Rounds = 3,
    as_json: AsJson = False,
) -> None:
    """CPU time an event, memory and changelog bytes an event, with few users and with many.

    The worker recovers the users' histories, then answers their events, by Zipf's law over all of them. Needs
    two cores, Linux, Java, Maven, and 3 GB of disk for a million users.
    """
    from stream_app.bench.growth import bench_growth

    if not all(count.isdigit() and int(count) >= 100 for count in users.split(",")):
        raise typer.BadParameter(f"--users {users}: like 10000,1000000")
    _quiet()
    results, ratios = bench_growth(
        users=[int(count) for count in users.split(",")],
        entries=entries,
        events=events,
        emit=emit.value,
        rounds=rounds,
        say=say,
    )
    _answer(results, ratios, as_json=as_json)


@app.command()
def scorer(
    model: Model = RANDOM,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.", metavar="DEVICE")] = "cpu",
    rounds: Rounds = 3,
    as_json: AsJson = False,
) -> None:
    """Users a second through the scoring thread, against onnxruntime alone, at several batch sizes."""
    from stream_app.bench.scorer import bench_scorer, scorer_ratios

    if device not in ("cpu", "cuda", "auto"):
        raise typer.BadParameter(f"--device {device}: it is cpu, cuda or auto")
    with bundle_of(model or RANDOM) as folder:
        results = bench_scorer(folder, device=device, rounds=rounds)  # type: ignore[arg-type]
    _answer(results, scorer_ratios(results), as_json=as_json)


@app.command("new-items")
def new_items(model: Model = RANDOM, rounds: Rounds = 5, as_json: AsJson = False) -> None:
    """How soon an item that came after training has its row, and what such items cost the others."""
    from stream_app.bench.new_items import bench_new_items

    with bundle_of(model or RANDOM, told=True) as folder:
        results, ratios = bench_new_items(folder, rounds=rounds)
    _answer(results, ratios, as_json=as_json)


def _quiet() -> None:
    # A topic made a moment ago has no leader yet: aiokafka says so, and tries again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _answer(results: Sequence[Mapping[str, Any]], ratios: Mapping[str, float], *, as_json: bool) -> None:
    lines = ["  ".join(f"{key} {value}" for key, value in result.items()) for result in results]
    lines += [f"{name}: {ratio}" for name, ratio in ratios.items()]
    answer("\n".join(lines), {"results": list(results), "ratios": dict(ratios)}, as_json=as_json)
