"""Where the view goes: a terminal that is drawn anew, or a line now and then where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from pathlib import Path

from rich.console import Console
from rich.live import Live

from stream_app.demo.figures import clock, figure, milliseconds
from stream_app.demo.pacing import Stage
from stream_app.demo.progress import Progress
from stream_app.demo.view import WIDTH, picture, stage_line

_DRAWN_EVERY_S = 0.4
_LINE_EVERY_S = 5.0
_PICTURE_EVERY_S = 3.0
_LOOK_EVERY_S = 0.2
_WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


async def show(progress: Progress, console: Console, *, picture_file: Path | None) -> None:
    """Until it is cancelled; the picture, if wanted, is an SVG and drawn anew while events flow."""
    await asyncio.gather(
        (_draw if console.is_terminal else _tell)(progress, console),
        *([_keep_picture(progress, picture_file)] if picture_file else []),
    )


async def _keep_picture(progress: Progress, path: Path) -> None:
    while progress.stage is not Stage.ENDING:  # the last one is of a stream that flows
        save_picture(progress, path)
        await asyncio.sleep(_PICTURE_EVERY_S)


def save_picture(progress: Progress, path: Path) -> None:
    """The view as it stands now, as an SVG that needs no font from elsewhere."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(picture(progress))
    path.write_text(_WEB_FONT.sub("", console.export_svg(title="millstream demo")))


async def _draw(progress: Progress, console: Console) -> None:
    with Live(picture(progress, width=console.width), console=console, auto_refresh=False) as live:
        try:
            while True:
                live.update(picture(progress, width=console.width), refresh=True)
                await asyncio.sleep(_DRAWN_EVERY_S)
        finally:
            live.update(picture(progress, width=console.width), refresh=True)


async def _tell(progress: Progress, console: Console) -> None:
    said_stage, told_swaps, last_s = "", 0, 0.0
    while True:
        stage = progress.stage.value
        for swap in progress.swaps[told_swaps:]:
            _say(console, f"{clock(swap.at_s)}  model {swap.version} answers from now on")
        told_swaps = len(progress.swaps)
        if stage != said_stage:
            _say(console, f"{clock(progress.elapsed_s())}  {stage}")
        if stage != said_stage or progress.elapsed_s() - last_s >= _LINE_EVERY_S:
            said_stage, last_s = stage, progress.elapsed_s()
            _say(console, line(progress))
        await asyncio.sleep(_LOOK_EVERY_S)


def line(progress: Progress) -> str:
    """Where it stands, for a log."""
    latency, hits = progress.latencies.percentiles_ms(recent=True), progress.tally.total
    rates = "  ".join(f"{name} {figure(rate)}" for name, rate in hits.rates().items())
    parts = [
        clock(progress.elapsed_s()),
        stage_line(progress)
        if not progress.events
        else f"{progress.events:,} of {progress.live_total:,} live events",
        f"{progress.recommendations:,} recommendations",
        f"p50 {milliseconds(latency['p50'])}  p99 {milliseconds(latency['p99'])}",
        f"hit rate@10 of {hits.judged:,}: {rates}",
    ]
    if progress.trainer_says:
        parts.append(f"trainer: {progress.trainer_says}")
    return "  |  ".join(parts)


def _say(console: Console, text: str) -> None:
    with contextlib.suppress(OSError):  # a log that is full or gone does not end the demo
        console.print(text, soft_wrap=True, highlight=False, markup=False)
