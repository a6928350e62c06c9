"""`millstream evaluate`: models against their rivals on a log, under a named protocol."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import replace
from enum import StrEnum
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from stream_app.cli.contestants import check_names, contestants, fields_of_items, read_held_out
from stream_app.cli.errors import require_new_folder
from stream_app.cli.pages import require_writable, write_page
from stream_app.cli.progress import progress
from stream_app.cli.session import AsJson, answer, say, settings_of
from stream_app.cli.training_parts import (
    Data,
    Epochs,
    FormatName,
    PresetName,
    PresetOption,
    Seconds,
    Seed,
    Set,
    Strict,
    configs,
    read_log,
    require_train_extra,
)

app = typer.Typer()


class Protocol(StrEnum):
    """Who is asked what, after learning from what."""

    prequential = "prequential"
    leave_one_out = "leave-one-out"
    temporal = "temporal"
    k_fold = "k-fold"
    probe = "probe"


class Seen(StrEnum):
    """What is neither recommended nor asked for."""

    window = "window"
    all = "all"


class QueryTime(StrEnum):
    """`models.encoder_config.QueryTime`."""

    event = "event"
    target = "target"


class Compare(StrEnum):
    """What is compared with itself in all its kinds."""

    attention = "attention"


DEFAULT_MODELS = "attention,popularity,popularity-30d,popularity-7d,random"
_MAPS = 2


@app.command()
def evaluate(
    ctx: typer.Context,
    data: Data,
    format_name: FormatName = None,
    strict: Strict = False,
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="prequential: test on each event, then learn from it. leave-one-out: each user's last. "
            "temporal: what comes after a moment. k-fold: users who were not learnt from. probe: what the "
            "Netflix Prize's probe.txt names."
        ),
    ] = Protocol.prequential,
    models: Annotated[
        str | None,
        typer.Option(
            show_default=DEFAULT_MODELS,
            help="With commas: attention (trained here; attention-ids without the items' fields), latest or "
            "a version of the registry; session-knn, item-knn, item-knn-recent, user-knn, als, biased-mf, "
            "neumf, attention-cf, content, category-popularity, random, popularity, popularity-7d, "
            "popularity-decayed-30d (any number of days); all is all but attention-ids and the registry's.",
        ),
    ] = None,
    compare: Annotated[
        Compare | None,
        typer.Option(
            help="attention: the model with each attention of its family, of the same data, seed and epochs, "
            "beside item-knn and popularity or --models; maps of two users in the report, "
            "but not with --query-time target."
        ),
    ] = None,
    k: Annotated[str, typer.Option("--k", help="Lengths of the list, with commas, up to 100.")] = "10",
    items: Annotated[
        Path | None,
        typer.Option(
            help="The items' fields, for attention, content and diversity; a published data set brings "
            "its own.",
            metavar="FILE",
        ),
    ] = None,
    newest: Annotated[float, typer.Option(help="prequential: which part of the log is tested on.")] = 0.2,
    fits: Annotated[int, typer.Option(min=1, help="prequential: how often models are fitted anew.")] = 1,
    seen: Annotated[
        Seen, typer.Option(help="prequential: what is left out, the stored window or all ever taken.")
    ] = Seen.window,
    folds: Annotated[int, typer.Option(min=2, help="k-fold: how many.")] = 5,
    with_validation: Annotated[
        bool, typer.Option("--with-validation", help="temporal: learn from the validation part too.")
    ] = False,
    k_core: Annotated[
        int | None,
        typer.Option(min=1, help="Take out users and items with fewer events, repeatedly; 5 for temporal."),
    ] = None,
    min_history: Annotated[int, typer.Option(min=1, help="Take out users with fewer events.")] = 1,
    query_time: Annotated[
        QueryTime,
        typer.Option(
            help="When a list is asked for: at the user's event before, as a worker does, or at the moment "
            "of the target, which no worker knows, to stand beside published figures of this kind."
        ),
    ] = QueryTime.event,
    sampled: Annotated[
        int | None,
        typer.Option(min=1, help="Rank targets among so many drawn items, not the whole catalogue."),
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0.01, help="A model that would answer for longer gets a sample of the users.")
    ] = 30.0,
    like_from: Annotated[float, typer.Option(help="A rating from here on is a like.")] = 4.0,
    dislike_below: Annotated[float, typer.Option(help="A rating below is a dislike; between, a view.")] = 3.0,
    preset: PresetOption = PresetName.small,
    epochs: Epochs = None,
    seconds: Seconds = None,
    seed: Seed = 0,
    assignments: Set = None,
    split_folder: Annotated[
        Path | None,
        typer.Option("--dump-split", help="Write train, validation and test rows here.", metavar="DIR"),
    ] = None,
    report_file: Annotated[
        Path | None, typer.Option("--report", help="Write a page with plots.", metavar="FILE.html")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare models with their rivals on a log, under a protocol.

    The whole catalogue is ranked. Intervals are 95 % bootstrap intervals over users; ★ is the best, ≈ what is
    within noise of it.
    """
    if not 0 < newest < 1:
        raise typer.BadParameter(f"--newest {newest} is not between 0 and 1")
    if dislike_below > like_from:
        raise typer.BadParameter(f"--dislike-below {dislike_below} lies above --like-from {like_from}")
    ks = _lengths(k)
    _check_outputs(split_folder, report_file)
    require_train_extra()
    settings = settings_of(ctx)
    names = check_names(
        _named(models, compare), settings=settings, rivals_alone=_why_no_bundle(sampled, query_time)
    )
    rules, encoder, fit = configs(
        settings, preset=preset, assignments=assignments, epochs=epochs, seconds=seconds, seed=seed
    )
    encoder = replace(encoder, query_time=query_time.value)
    log = read_log(
        settings,
        data,
        format_name=format_name,
        strict=strict,
        like_from=like_from,
        dislike_below=dislike_below,
        context_fields=encoder.context or (),
    )
    fields = fields_of_items(data, items, settings=settings)
    from training.evaluation.evaluate import EvaluationConfig
    from training.evaluation.evaluate import evaluate as run
    from training.evaluation.planning import ProtocolConfig

    config = EvaluationConfig(
        protocol=ProtocolConfig(
            protocol=protocol.value,
            newest=newest,
            fits=fits,
            seen_all=seen is Seen.all,
            folds=folds,
            with_validation=with_validation,
            core=k_core,
            least_history=min_history,
            held_out=read_held_out(data, strict=strict) if protocol is Protocol.probe else None,
            query_time=query_time.value,
            seed=seed,
        ),
        ks=ks,
        sampled=sampled,
        time_limit_s=60.0 * minutes,
        split_folder=split_folder,
        # A map asks at the user's own events.
        maps=_MAPS if compare and query_time is QueryTime.event else 0,
    )
    report = run(
        log,
        partial(
            contestants,
            names,
            settings=settings,
            fit=fit,
            encoder=encoder,
            items=fields,
            log=log,
            whole_ranking=bool(sampled),
        ),
        config=config,
        rules=rules,
        items=fields,
        progress=lambda total: progress("questions", total=total),
        say=say,
    )
    report |= _how()
    report["data"]["source"] = data
    _show(report, report_file, as_json=as_json)


def _named(models: str | None, compare: Compare | None) -> str:
    if compare is None:
        return models or DEFAULT_MODELS
    from training.rivals.named import FAMILY

    return ",".join([*FAMILY, models or "item-knn,popularity"])


def _why_no_bundle(sampled: int | None, query_time: QueryTime) -> str | None:
    if sampled:
        return "--sampled ranks everything, a bundle its best alone"
    if query_time is QueryTime.target:
        return "--query-time target: bundles are asked at users' own events"
    return None


def _check_outputs(split_folder: Path | None, report_file: Path | None) -> None:
    """Before the work is done, not after it. Raises BadParameter."""
    if split_folder is not None:
        require_new_folder(split_folder)
        if not split_folder.absolute().parent.is_dir():
            raise typer.BadParameter(f"{split_folder.absolute().parent} is no folder; make it first")
    if report_file is not None:
        require_writable(report_file)


def _how() -> dict[str, Any]:
    """What was run, and how to run it again."""
    packages = ("millstream", "numpy", "scipy", "scikit-learn", "torch")
    return {
        "command": shlex.join(["millstream", *sys.argv[1:]]),
        "versions": {name: version(name) for name in packages},
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _show(report: dict[str, Any], report_file: Path | None, *, as_json: bool) -> None:
    from training.evaluation.report_page import as_page
    from training.evaluation.report_text import as_table

    answer(as_table(report), report, as_json=as_json)
    if report_file is not None:
        write_page(report_file, as_page(report))


def _lengths(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and 1 <= int(part) <= 100 for part in parts):
        raise typer.BadParameter(f"--k {text} is not a number from 1 to 100, or several with commas")
    return tuple(int(part) for part in parts)
