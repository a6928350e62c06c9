"""A catalogue's tables as onnxruntime reads them, on whatever device the session runs."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import onnxruntime as ort

from stream_app.scoring.catalogue import Catalogue, CatalogueTables


class BoundTables(NamedTuple):
    """The tables and their OrtValues; on the CPU these are the very memory, and keep it."""

    tables: CatalogueTables
    vectors: Any
    bias: Any


class OnnxTables:
    """Follows a catalogue: in place on the CPU, and by copying on a GPU, where tables are sent as a whole."""

    def __init__(self, catalogue: Catalogue, *, device: str) -> None:
        self._catalogue = catalogue
        self._device = device
        self._sending = threading.Lock()
        self._bound = self._bind()

    def current(self) -> BoundTables:
        """The tables as they are now; another object than before only where the catalogue has grown."""
        catalogue, bound = self._catalogue, self._bound
        if bound.tables is catalogue.tables and (
            self._device == "cpu" or self._sent == (catalogue.vectors_revision, catalogue.revision)
        ):
            return bound
        with self._sending:  # two threads may run one session
            if self._bound.tables is not catalogue.tables:
                self._bound = self._bind()
            elif self._device != "cpu":
                self._send()
            return self._bound

    def _bind(self) -> BoundTables:
        tables = self._catalogue.tables
        self._sent = self._revisions()
        vectors, bias = (ort.OrtValue.ortvalue_from_numpy(table, self._device, 0) for table in tables)
        return BoundTables(tables, vectors, bias)

    def _send(self) -> None:
        sent, now = self._sent, self._revisions()
        if now[0] != sent[0]:
            self._bound.vectors.update_inplace(self._bound.tables.vectors)
        if now[1] != sent[1]:
            self._bound.bias.update_inplace(self._bound.tables.bias)
        self._sent = now  # only now: another thread would go on with tables that are half sent

    def _revisions(self) -> tuple[int, int]:
        # Read before the tables are: a change made while copying is then copied once more.
        return self._catalogue.vectors_revision, self._catalogue.revision
