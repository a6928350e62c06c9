"""What the benchmarks' options mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from models.encoder_config import EncoderConfig
from stream_app.cli.errors import Failure
from stream_app.cli.session import say

RANDOM, NONE = "random", "none"
RANDOM_ITEMS = 3_700

Rounds = Annotated[int, typer.Option(min=1, help="Runs of each; the medians are given.")]
Model = Annotated[
    str | None,
    typer.Option(
        help="A bundle's folder, or 'random': 3,700 items, L = 50, d = 64.", metavar="FOLDER|random"
    ),
]


class Emit(StrEnum):
    """As MILLSTREAM_EMIT."""

    touched = "touched"
    each = "each"


class Deliver(StrEnum):
    """As MILLSTREAM_DELIVERY."""

    at_least_once = "at-least-once"
    exactly_once = "exactly-once"


@contextmanager
def bundle_of(model: str, *, told: bool = False) -> Iterator[Path]:
    """The folder of a bundle; one of random weights is made for the purpose and removed, with an item tower
    where its items are `told` of."""
    if model != RANDOM:
        yield Path(model)
        return
    try:
        from training.untrained import export_untrained
    except ImportError as error:
        raise Failure(
            f"a random model needs torch ({error}): install the extra 'train', or give a bundle's folder"
        ) from error
    with TemporaryDirectory(prefix="millstream-bench-") as folder:
        bundle = Path(folder) / "untrained"
        say("exporting a model of random weights …")
        items = []
        if told:
            from stream_app.bench.new_items import some_items

            items = some_items(RANDOM_ITEMS)
        # Two blocks, as in all that docs/benchmarks/engine.md tells.
        export_untrained(bundle, items=RANDOM_ITEMS, told=items, encoder=EncoderConfig(blocks=2))
        yield bundle


def rates_of(text: str) -> list[float | str]:
    try:
        rates = [rate if rate == "half" else float(rate) for rate in text.split(",")]
    except ValueError:
        rates = []
    if not rates or any(isinstance(rate, float) and not 0 < rate < 1e6 for rate in rates):
        raise typer.BadParameter(f"--rates {text}: like 100,half")
    return rates


@contextmanager
def served_by(model: str) -> Iterator[tuple[Path | None, int | None]]:
    """What a worker is to serve: a bundle of random weights and its items, or for `none` neither."""
    if model not in (RANDOM, NONE):
        raise typer.BadParameter(f"--model {model}: it is {RANDOM} or {NONE}")
    if model == NONE:
        yield None, None
        return
    with bundle_of(RANDOM) as folder:
        yield folder, RANDOM_ITEMS
