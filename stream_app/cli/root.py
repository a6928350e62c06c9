"""The root command: which commands there are, and where each one's module is."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Entry(NamedTuple):
    """One command of the root: its module below stream_app.cli, and its line in the list."""

    module: str
    summary: str


# In the order in which a newcomer meets them.
COMMANDS: dict[str, Entry] = {
    "demo": Entry("demo", "The whole loop on real data: broker, worker, trainer, live view."),
    "broker": Entry("broker", "A Kafka broker in the foreground: the embedded one, or Apache Kafka."),
    "topics": Entry("topics", "Create and list the topics."),
    "items": Entry("items", "Load a catalogue from a file."),
    "replay": Entry("replay", "Send a file of interactions as events, in their own time or faster."),
    "worker": Entry("worker", "Read events, send recommendations."),
    "recommend": Entry("inspect", "What a user gets."),
    "history": Entry("inspect", "What is stored of a user."),
    "dead-letters": Entry("dead_letters", "Bad events: look at them, put them back."),
    "train": Entry("training", "Train a model from an interaction log."),
    "retrain": Entry("training", "Train from the events topic, compare, publish, announce."),
    "export": Entry("training", "Write a trained model as a bundle."),
    "evaluate": Entry("evaluation", "Compare models with their rivals on a log."),
    "models": Entry("models", "The registry: which models there are."),
    "bench": Entry("bench", "Measure: the figures of the documentation."),
    "settings": Entry("settings", "What is set, and where; secrets hidden."),
    "schema": Entry("settings", "JSON Schema of every message."),
}


class LazyGroup(TyperGroup):
    """Imports a command's module when the command is called, so that the list of commands is quick."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if self._listing:
            return TyperCommand(name=cmd_name, help=entry.summary)
        module = importlib.import_module(f"stream_app.cli.{entry.module}")
        command = typer.main.get_command(module.app)
        # A module with several commands of the root has them in a group; else what it has is the command.
        inner = getattr(command, "commands", {})
        found = inner.get(cmd_name, command)
        found.name = cmd_name
        for each in (found, *getattr(found, "commands", {}).values()):
            each.rich_markup_mode = "markdown"  # joins the lines of a paragraph
            each.params = [option for option in each.params if option.name not in _COMPLETION]
        return found

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


# Typer gives these to every app; they belong to the root of a program, where nobody asked for them.
_COMPLETION = ("install_completion", "show_completion")

_root = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False)


@_root.callback()
def _millstream(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings file (TOML); the environment, MILLSTREAM_…, goes before it.", metavar="FILE"
        ),
    ] = None,
) -> None:
    """Recommendations from an event stream: Kafka in, an attention model, Kafka out."""
    ctx.obj = config
    if config is not None:
        # For what this process starts, and for a worker, which Faust may start as well.
        os.environ["MILLSTREAM_CONFIG"] = str(config)


def root_command() -> Any:
    """The root as a click command."""
    return typer.main.get_command(_root)
