"""How a demo can end early."""

from __future__ import annotations

from collections.abc import Sequence


class DemoFailed(Exception):
    """A part of it failed; the message names it and its log, `said` are the last lines of that."""

    def __init__(self, fact: str, *, said: Sequence[str] = ()) -> None:
        super().__init__(fact)
        self.said = said


class Interrupted(Exception):
    """A signal ended it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted")
        self.exit_code = 128 + signal_number
