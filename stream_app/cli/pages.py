"""HTML pages that commands write."""

from __future__ import annotations

from pathlib import Path

import typer

from stream_app.cli.errors import Failure
from stream_app.cli.session import say


def require_writable(file: Path) -> None:
    """Before the work is done, not after it. Raises BadParameter."""
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise typer.BadParameter(f"{file} cannot be written: its folder is missing, or it is one")


def write_page(file: Path, html: str) -> None:
    """Write the page and say where. Raises Failure."""
    try:
        file.write_text(html, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{file} cannot be written ({error.strerror}); name another file") from error
    say(f"wrote {file}")
