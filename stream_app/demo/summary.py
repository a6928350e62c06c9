"""What a demo came to: the facts of `--json`, and the same for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from stream_app.demo.figures import clock, figure, milliseconds
from stream_app.demo.progress import Progress


def facts(progress: Progress) -> dict[str, Any]:
    """The object of `--json`; hit rates and times are null where there was nothing to measure."""
    return {
        "events": progress.events,
        "recommendations": progress.recommendations,
        "outcomes": progress.tally.outcomes,
        "dead_letters": progress.dead_letters,
        "hit_rate_at_10": {name: _rounded(rate, 4) for name, rate in progress.tally.total.rates().items()},
        "latency_ms": {name: _rounded(ms, 2) for name, ms in progress.latencies.percentiles_ms().items()},
        "models": [swap.version for swap in progress.swaps],
        "seconds_to_first": {
            "recommendation": _rounded(progress.first_recommendation_s, 2),
            "model_recommendation": _rounded(progress.first_by_model_s, 2),
        },
        "seconds": _rounded(progress.elapsed_s(), 2),
    }


def table(progress: Progress) -> Table:
    """The same as a table."""
    hits, latency = progress.tally.total, progress.latencies.percentiles_ms()
    rates = hits.rates()
    result = Table(title="What it came to", title_justify="left", show_header=False)
    result.add_row("live events", f"{progress.events:,}")
    result.add_row("recommendations for them", f"{progress.recommendations:,}")
    result.add_row("outcomes", f"{progress.tally.outcomes:,}")
    result.add_row("dead letters", f"{progress.dead_letters:,}")
    result.add_row(f"hit rate@10 over {hits.judged:,} events: model", figure(rates["model"]))
    result.add_row("  popularity, of all time or of 30 days", figure(rates["popularity"]))
    result.add_row("  random", figure(rates["random"]))
    result.add_row("latency p50, p99", f"{milliseconds(latency['p50'])}, {milliseconds(latency['p99'])}")
    result.add_row("first recommendation", _seconds(progress.first_recommendation_s))
    result.add_row("first by a model", _seconds(progress.first_by_model_s))
    for swap in progress.swaps:
        result.add_row(f"model {swap.version}", f"from {clock(swap.at_s)} on")
    result.add_row("all of it", _seconds(progress.elapsed_s()))
    return result


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
