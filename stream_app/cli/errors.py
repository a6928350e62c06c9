"""Which errors are told in one line, and with which exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

FAILED, WRONG_USE = 1, 2
_OURS = ("stream_app.", "models.", "training.")
# typer exports its leaves only: UsageError and ClickException stand above.
_UsageError, _ClickException = typer.BadParameter.mro()[1:3]


class Failure(Exception):
    """A command could not do what was asked; the message says why and what to do."""


def require_new_folder(folder: Path) -> None:
    """Raise BadParameter where something is there already, but for an empty folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter(f"{folder} is there already and not empty; name a new folder")


def exit_code_of(error: Exception) -> int | None:
    """Say the error in one line on stderr and return the exit code; None for one that is a bug."""
    if isinstance(error, _UsageError):
        _say_usage(error)
        return WRONG_USE
    if isinstance(error, _ClickException):
        _say(error.format_message())  # type: ignore[attr-defined]
        return FAILED
    if isinstance(error, typer.Abort):
        return 130
    if type(error).__module__.startswith(_OURS) or _is_lost_broker(error):
        _say(str(error) or type(error).__name__)
        return getattr(error, "exit_code", FAILED)
    return None


def _is_lost_broker(error: Exception) -> bool:
    # By name, so that a command without Kafka does not import it.
    return any(kind.__name__ == "KafkaError" for kind in type(error).mro())


def _say_usage(error: Any) -> None:
    # A check of ours names what is wrong itself; typer's own know the parameter.
    message = error.message if getattr(error, "param", None) is None else error.format_message()
    path = error.ctx.command_path if error.ctx else "millstream"
    if message:  # else the help was shown, as nothing was asked for
        _say(f"{message.rstrip('.?')}; see {path} --help")


def _say(message: str) -> None:
    print(f"millstream: {' '.join(message.split())}", file=sys.stderr)
