"""Where `faust -A stream_app.app worker` and `millstream worker` start: settings → the worker's app."""

from __future__ import annotations

import sys

from stream_app.composition import compose
from stream_app.settings_sources import SettingsError, load_settings
from stream_app.streaming.worker_app import use_fast_loop

use_fast_loop()
try:
    app = compose(load_settings())
except SettingsError as error:
    print(f"millstream: {error}", file=sys.stderr)
    sys.exit(2)
