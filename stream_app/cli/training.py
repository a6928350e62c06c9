"""`millstream train`, `export`, `retrain`: the offline half. Torch is imported when one is called."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from stream_app.cli.contestants import fields_of_items
from stream_app.cli.errors import Failure, require_new_folder
from stream_app.cli.fit_options import (
    BatchSize,
    CheckpointMinutes,
    Checkpoints,
    Devices,
    LearningRate,
    Logs,
    Patience,
    PrecisionOption,
    ValidationOption,
)
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
    announce_version,
    champion,
    configs,
    open_bundle,
    read_log,
    require_train_extra,
)

app = typer.Typer()

Items = Annotated[
    Path | None,
    typer.Option(
        help="The items' fields; a published data set, a folder with items.parquet, and kafka bring theirs.",
        metavar="FILE",
    ),
]
Announce = Annotated[
    bool, typer.Option("--announce", help="Tell the workers, which then take the model over.")
]


@app.command()
def train(
    ctx: typer.Context,
    data: Data,
    format_name: FormatName = None,
    strict: Strict = False,
    since: Annotated[float, typer.Option(min=0, max=1, help="Begin at this fraction of the log.")] = 0.0,
    until: Annotated[float, typer.Option(min=0, max=1, help="End at this fraction of the log.")] = 1.0,
    preset: PresetOption = PresetName.small,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    validation: ValidationOption = None,
    patience: Patience = None,
    precision: PrecisionOption = None,
    devices: Devices = 1,
    seconds: Seconds = None,
    seed: Seed = 0,
    assignments: Set = None,
    checkpoints: Checkpoints = None,
    checkpoint_minutes: CheckpointMinutes = 5.0,
    logs: Logs = None,
    items: Items = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Write the torch model here instead of publishing it.", metavar="FILE"),
    ] = None,
    announce: Announce = False,
    as_json: AsJson = False,
) -> None:
    """Train a model from an interaction log and put it into the registry.

    Columns of a file: user_id, item_id, timestamp (milliseconds since the epoch), and type or rating (4 and
    above is a like, below 3 a dislike, else a view). It is not compared with anything: millstream retrain
    does that.
    """
    if since >= until:
        raise typer.BadParameter(f"--since {since} does not lie before --until {until}")
    if checkpoint and announce:
        raise typer.BadParameter("a checkpoint cannot be announced; millstream export --announce does that")
    started_s = time.monotonic()
    require_train_extra(*(["tensorboard"] if logs else []))
    settings = settings_of(ctx)
    # Before torch, whose import takes seconds.
    rules, encoder, fit = configs(
        settings,
        preset=preset,
        assignments=assignments,
        epochs=epochs,
        seconds=seconds,
        seed=seed,
        batch_size=batch_size,
        learning_rate=learning_rate,
        validation=validation.value if validation else None,
        patience=patience,
        precision=precision.value if precision else None,
        devices=devices,
    )
    log = read_log(
        settings, data, format_name=format_name, strict=strict, context_fields=encoder.context or ()
    )
    from training.checkpoint import save
    from training.fit_config import FitFolders, without_times
    from training.item_rows import items_of_rows
    from training.train import train as fit_model

    log = log.part(round(len(log) * since), round(len(log) * until))
    if patience is not None and fit.validation == "none":
        raise typer.BadParameter("--patience needs a --validation to look at")
    if not log.has_times and validation is None:
        fit = without_times(fit)
    fields = items_of_rows(fields_of_items(data, items, settings=settings))
    say(f"training on {len(log)} interactions")
    trained = fit_model(
        log,
        rules=rules,
        encoder=encoder,
        config=fit,
        items=fields,
        folders=FitFolders(checkpoints=checkpoints, checkpoint_minutes=checkpoint_minutes, logs=logs),
        show_progress=sys.stderr.isatty(),
        say=say,
    )
    facts: dict[str, Any] = {"version": None, "uri": None}
    if checkpoint:
        save(trained, checkpoint)
        text = f"wrote {checkpoint}; millstream export makes a bundle of it"
    else:
        facts = _publish(ctx, trained, announce=announce)
        text = f"published {facts['version']} at {facts['uri']}"
    facts |= {
        "metrics": {"loss": trained.report.loss},
        "losses": trained.report.losses,
        "validation": {"ndcg@10": trained.report.ndcg, "hr@10": trained.report.hit_rate},
        "best_epoch": trained.report.best_epoch,
        "interactions": len(log),
        "users": trained.window.users,
        "items": len(trained.vocabulary),
        "epochs": trained.report.epochs,
        "rejected": log.rejected,
        "seconds": round(time.monotonic() - started_s, 3),
    }
    answer(f"{text} ({facts['seconds']:.0f} s)", facts, as_json=as_json)


@app.command()
def export(
    ctx: typer.Context,
    checkpoint: Annotated[Path, typer.Argument(help="What train --checkpoint wrote.", metavar="CHECKPOINT")],
    to: Annotated[
        Path | None,
        typer.Option(help="Write the bundle to this new folder, not to the registry.", metavar="DIR"),
    ] = None,
    announce: Announce = False,
    as_json: AsJson = False,
) -> None:
    """Write a trained model as a bundle: the ONNX graph, the items, the manifest."""
    if to is not None and announce:
        raise typer.BadParameter("only what is in the registry can be announced; leave out --to")
    if to is not None:
        require_new_folder(to)
    started_s = time.monotonic()
    if not checkpoint.is_file():
        raise Failure(f"{checkpoint}: there is no such file; millstream train --checkpoint writes one")
    require_train_extra()
    from training import export as exporting
    from training.checkpoint import load

    trained = load(checkpoint)
    if to is None:
        facts = _publish(ctx, trained, announce=announce)
    else:
        manifest = exporting.export(trained, to)
        open_bundle(to)
        facts = {"version": manifest.version, "uri": str(to.resolve()), "announced": False}
    facts |= {"items": len(trained.vocabulary), "seconds": round(time.monotonic() - started_s, 3)}
    answer(f"exported {facts['version']} to {facts['uri']}", facts, as_json=as_json)


@app.command()
def retrain(
    ctx: typer.Context,
    data: Data = "kafka",
    format_name: FormatName = None,
    strict: Strict = False,
    newest: Annotated[float, typer.Option(help="Which part of the log is held out to compare by.")] = 0.1,
    refit: Annotated[
        bool, typer.Option(help="Fit once more on everything before publishing; takes twice as long.")
    ] = True,
    items: Items = None,
    force: Annotated[bool, typer.Option("--force", help="Publish whatever the comparison says.")] = False,
    preset: PresetOption = PresetName.small,
    epochs: Epochs = None,
    seconds: Seconds = None,
    seed: Seed = 0,
    assignments: Set = None,
    announce: Annotated[bool, typer.Option(help="Tell the workers, which then take the model over.")] = True,
    as_json: AsJson = False,
) -> None:
    """Train on the events topic, compare, publish, announce.

    The new model must not be worse than the one that serves, and better than popularity, on the newest part
    of the log, which it has not seen. Else nothing is published, and the exit code is 1.
    """
    if not 0 < newest < 1:
        raise typer.BadParameter(f"--newest {newest} is not between 0 and 1")
    started_s = time.monotonic()
    require_train_extra()
    settings = settings_of(ctx)
    rules, encoder, fit = configs(
        settings, preset=preset, assignments=assignments, epochs=epochs, seconds=seconds, seed=seed
    )
    log = read_log(
        settings, data, format_name=format_name, strict=strict, context_fields=encoder.context or ()
    )
    from models.bundle.registry import Registry
    from training.fit_config import without_times
    from training.item_rows import items_of_rows
    from training.retrain import RetrainConfig
    from training.retrain import retrain as run

    if not log.has_times:
        fit = without_times(fit)
    registry = Registry(settings.registry)
    current = champion(settings, registry, announced=announce)
    outcome = run(
        log,
        registry=registry,
        current=current,
        config=RetrainConfig(
            rules=rules,
            fit=fit,
            encoder=encoder,
            newest=newest,
            refit=refit,
            force=force,
        ),
        items=items_of_rows(fields_of_items(data, items, settings=settings)),
        check=open_bundle,
        show_progress=sys.stderr.isatty(),
        say=say,
    )
    if outcome.version and announce:
        announce_version(settings, registry, outcome.version)
    facts = {
        "version": outcome.version,
        "uri": outcome.uri,
        "announced": bool(outcome.version) and announce,
        "metrics": outcome.metrics,
        "results": outcome.results,
        "gate": {**dataclasses.asdict(outcome.decision), "forced": force and not outcome.decision.passed},
        "interactions": len(log),
        "rejected": log.rejected,
        "steps": outcome.seconds,
        "seconds": round(time.monotonic() - started_s, 3),
    }
    said = f"published {outcome.version}" if outcome.version else "published nothing"
    answer(f"{said}: {outcome.decision.reason} ({facts['seconds']:.0f} s)", facts, as_json=as_json)
    if outcome.version is None:
        raise Failure(f"the new model was refused, {outcome.decision.reason}; --force publishes it anyway")


def _publish(ctx: typer.Context, trained: Any, *, announce: bool) -> dict[str, Any]:
    import tempfile

    from models.bundle.registry import Registry
    from training import export as exporting
    from training.publish import publish

    settings = settings_of(ctx)
    registry = Registry(settings.registry)
    with tempfile.TemporaryDirectory(prefix="millstream-") as folder:
        manifest = exporting.export(trained, Path(folder))
        open_bundle(Path(folder))
        uri = publish(Path(folder), registry)
    if announce:
        announce_version(settings, registry, manifest.version)
    return {"version": manifest.version, "uri": uri, "announced": announce}
