"""The command line: `millstream …`. One file a group of commands; each is imported when it is called.

A module of commands has an `app`, a typer.Typer. Its messages go to stderr, what was asked for to stdout;
with `--json` the last line of stdout is one object.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from stream_app.cli.errors import exit_code_of
from stream_app.cli.root import root_command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave the process: 0 done, 1 failed, 2 wrong use, 130 interrupted.

    A failure that we know is one line on stderr, the fact and the remedy; any other is a bug and shows where.
    """
    try:
        code = root_command().main(args=arguments, prog_name="millstream", standalone_mode=False)
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        code = exit_code_of(error)
        if code is None:
            raise
    sys.exit(code if isinstance(code, int) else 0)
