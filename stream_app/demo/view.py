"""The live view: one picture of the progress, drawn anew a few times a second."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stream_app.demo.figures import clock, figure, milliseconds
from stream_app.demo.progress import Progress, Scene

WIDTH = 104
_BAR_WIDTH = 22
_USER_WIDTH = 8
_VERB_WIDTH = 13
_BESIDE_TITLES = 4 + (_USER_WIDTH + 2) + (_VERB_WIDTH + 2)
_WIDE_ENOUGH = 100
_COLOURS = {"model": "green", "popularity": "yellow", "random": "red"}


def picture(progress: Progress, *, width: int = WIDTH) -> RenderableType:
    """Everything at once, `width` characters wide, or less than that where more would be empty."""
    width = min(width, WIDTH)
    return Panel(
        Group(
            _stage(progress),
            Text(),
            _beside_or_below(_stream(progress), _hit_rates(progress), width=width),
            Text(),
            _models(progress),
            Text(),
            *(_scene(scene, width=width) for scene in progress.scenes),
        ),
        title="[bold]Millstream[/] · events → attention model → recommendations",
        subtitle=f"[dim]{_short(progress.folder)}[/]",
        border_style="blue",
        width=width,
    )


def _stage(progress: Progress) -> RenderableType:
    head = Text.assemble((clock(progress.elapsed_s()), "bold cyan"), "  ", (stage_line(progress), "bold"))
    if not progress.trainer_says:
        return head
    said = Text(f"      trainer: {progress.trainer_says}", style="dim", no_wrap=True, overflow="ellipsis")
    return Group(head, said)


def stage_line(progress: Progress) -> str:
    """What is going on, in one line."""
    if progress.ended_s is not None:
        return "ended"
    if progress.history_sent and not progress.events:
        return f"history: {progress.history_answered:,} of {progress.history_total:,} events answered"
    return progress.stage.value


def _stream(progress: Progress) -> Table:
    now_s, latency = progress.elapsed_s(), progress.latencies.percentiles_ms(recent=True)
    answered = progress.history_answered + progress.recommendations
    table = _grid("right", "left")
    table.add_row(f"{progress.events:,}", f"of {progress.live_total:,} live events")
    table.add_row(
        f"{progress.event_rate.per_second(progress.history_sent + progress.events, now_s=now_s):,.0f}/s",
        "events in",
    )
    table.add_row(
        f"{progress.recommendation_rate.per_second(answered, now_s=now_s):,.0f}/s", "recommendations out"
    )
    table.add_row(milliseconds(latency["p50"]), "latency p50, event to recommendation")
    table.add_row(milliseconds(latency["p99"]), "latency p99")
    table.add_row(f"{progress.dead_letters:,}", "dead letters")
    return table


def _hit_rates(progress: Progress) -> RenderableType:
    hits = progress.tally.total
    rates = hits.rates()
    highest = max((rate or 0.0 for rate in rates.values()), default=0.0) or 1.0
    table = _grid("left", "left", "right")
    for name, rate in rates.items():
        colour = _COLOURS[name]
        bar = ProgressBar(
            total=highest,
            completed=rate or 0.0,
            width=_BAR_WIDTH,
            complete_style=colour,
            finished_style=colour,
        )
        table.add_row(name, bar, f"[{colour}]{figure(rate)}[/]")
    return Group(Text.from_markup(f"[bold]hit rate@10[/] over the same {hits.judged:,} events"), table)


def _models(progress: Progress) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("model", "answers since", "judged", "hit rate@10", "popularity", "random"):
        table.add_column(column, justify="left" if column == "model" else "right")
    since = progress.first_recommendation_s
    table.add_row("trending", "" if since is None else clock(since), style="dim")
    for swap in progress.swaps:
        hits = progress.tally.by_version.get(swap.version)
        rates = [figure(rate) for rate in hits.rates().values()] if hits else []
        table.add_row(
            f"[bold]{swap.version}[/]", clock(swap.at_s), f"{hits.judged:,}" if hits else "0", *rates
        )
    return table


def _scene(scene: Scene, *, width: int) -> RenderableType:
    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column(min_width=_USER_WIDTH, no_wrap=True, style="bold cyan")
    lines.add_column(min_width=_VERB_WIDTH, no_wrap=True, style="dim")
    lines.add_column(width=max(width - _BESIDE_TITLES, 10), no_wrap=True, overflow="ellipsis")
    lines.add_row(f"user {scene.user_id}", "watched", _titles(scene.watched))
    lines.add_row("", "→ recommended", _titles(scene.recommended, style="green"))
    because = _titles(scene.because) if scene.because else Text("popular now", style="dim")
    lines.add_row("", "because of" if scene.because else "because", because)
    return lines


def _titles(titles: tuple[str, ...], *, style: str = "") -> Text:
    return Text(" · ".join(titles), style=style)


def _short(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def _beside_or_below(left: RenderableType, right: RenderableType, *, width: int) -> RenderableType:
    if width < _WIDE_ENOUGH:
        return Group(left, Text(), right)
    table = Table.grid(expand=True)
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    table.add_row(left, right)
    return table


def _grid(*justify: str) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for each in justify:
        table.add_column(justify=each, no_wrap=True)  # type: ignore[arg-type]
    return table
