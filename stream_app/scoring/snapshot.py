"""One version of a model, ready to serve: everything that must change together, in one frozen thing."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.bundle.errors import CorruptBundle, SignatureMismatch
from models.bundle.hashing import item_hash
from models.bundle.items import BundleItems, read_items
from models.bundle.manifest import Manifest
from models.bundle.signature import EVENT_TYPES, check_signature, encoder_signature
from models.bundle.verification import ENCODER_FILE, TOWER_FILE, verify
from models.bundle.vocabulary import Vocabulary
from stream_app.domain.encoding import EXCLUDE_STEP, ModelInputs
from stream_app.domain.messages import Item
from stream_app.scoring.catalogue import Catalogue
from stream_app.scoring.device import Device
from stream_app.scoring.golden import check_golden
from stream_app.scoring.item_tower import ItemTower, TowerRows, open_tower
from stream_app.scoring.onnx_scorer import open_scorer
from stream_app.scoring.scorer import Scorer

WARM_BATCHES = (1, 8, 32)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Session, vocabulary, catalogue, version and role; `tower` where later items can get rows.

    Rows belong to one version: a batch that was encoded with a snapshot is scored and decoded with it.
    """

    version: str
    role: str
    manifest: Manifest
    vocabulary: Vocabulary
    catalogue: Catalogue
    scorer: Scorer
    tower: ItemTower | None = None

    @property
    def added(self) -> int:
        """How many items got their rows after training."""
        return len(self.vocabulary) - self.manifest.item_count

    def warm(self) -> None:
        """Score nobody in batches of all sizes, before it serves."""
        for batch in WARM_BATCHES:
            self.scorer.score(_empty_inputs(batch, self.manifest.max_length, self.manifest.context_columns))

    def lacks(self, items: Iterable[Item]) -> list[Item]:
        """Those that the version was not trained on: the tower's. One that may not be recommended and has no
        row needs none: a discontinued archive would make every batch slower."""
        items = list(items)
        hashes = np.fromiter((item_hash(item.item_id) for item in items), dtype=np.uint64, count=len(items))
        rows = self.vocabulary.rows(hashes)
        trained = (rows > 0) & (rows <= self.manifest.item_count)
        idle = np.fromiter((not item.available for item in items), dtype=bool, count=len(items)) & (rows == 0)
        return [items[place] for place in np.flatnonzero(~trained & ~idle).tolist()]

    def write_rows(self, given: TowerRows, *, unavailable_hashes: Container[int] = ()) -> None:
        """Put rows in force: new ones, and again those of items that got theirs after training.

        For the thread that scores, between two batches; or for any, before the first one. One that scores on
        beside it meets no row that it could not decode.
        """
        hashes = [item_hash(item_id) for item_id in given.item_ids]
        # By hash, as everywhere; the last one where an item is here twice.
        place_of = {hashed: place for place, hashed in enumerate(hashes)}
        there = self.vocabulary.rows(np.fromiter(place_of, dtype=np.uint64, count=len(place_of)))
        places = np.fromiter(place_of.values(), dtype=np.int64, count=len(place_of))
        # 1. Room, so that no row lies beyond the tables.
        new = np.flatnonzero(there == 0)
        self.catalogue.make_room(len(self.vocabulary) + len(new))
        # 2. The name: from here on histories may hold the row.
        there[new] = self.vocabulary.add([given.item_ids[place] for place in places[new].tolist()])
        # 3. Vector, then bias: from here on lists may. What was trained stays as it is.
        later = there > self.manifest.item_count
        rows, places = there[later], places[later]
        self.catalogue.write(
            rows,
            vectors=given.vectors[places],
            bias=given.bias[places],
            available=np.array([hashes[place] not in unavailable_hashes for place in places.tolist()], bool),
        )

    def add_items(
        self, items: Iterable[Item], *, unavailable_hashes: Container[int] = ()
    ) -> TowerRows | None:
        """Give rows to all items that it was not trained on, before it serves. Blocks: milliseconds for ten.

        Returns what the tower gave; None where the version has none.
        """
        if self.tower is None:
            return None
        given = self.tower.rows(self.lacks(items))
        self.write_rows(given, unavailable_hashes=unavailable_hashes)
        return given

    def set_unavailable(self, item_hashes: Iterable[int]) -> None:
        """Make these items unavailable and all others available; those that it does not know are ignored."""
        self.catalogue.set_unavailable(self._rows(item_hashes))

    def set_available(self, item_hashes: Iterable[int], *, available: bool) -> None:
        """Take items out of all lists, or let them in again; those that it does not know are ignored."""
        self.catalogue.set_available(self._rows(item_hashes), available)

    def _rows(self, item_hashes: Iterable[int]) -> NDArray[np.int32]:
        rows = self.vocabulary.rows(np.array(list(item_hashes), dtype=np.uint64))
        return rows[rows > 0]


def load_snapshot(
    folder: Path, *, device: Device = "auto", role: str = "champion", unavailable_hashes: Iterable[int] = ()
) -> Snapshot:
    """Load a bundle, which serves only after it passed every check. Blocks: not for an event loop's thread.

    Raises BundleError with the reason and the remedy, or DeviceUnavailable.
    """
    folder = Path(folder)
    # 1. Nothing is opened before its digest was compared.
    manifest = verify(folder)
    _check_event_types(folder, manifest)
    items = read_items(folder)
    _check_items(folder, manifest, items)
    # 2. The graph must take what we feed and give what we read.
    catalogue = Catalogue(
        vectors=items.vectors,
        bias=items.bias,
        dtype="float16" if manifest.catalogue_dtype == "float16" else "f4",
    )
    scorer = open_scorer(
        folder / ENCODER_FILE,
        catalogue=catalogue,
        version=manifest.version,
        max_length=manifest.max_length,
        k_limit=manifest.k_limit,
        context_columns=manifest.context_columns,
        device=device,
    )
    expected = encoder_signature(
        max_length=manifest.max_length,
        width=manifest.width,
        k_limit=manifest.k_limit,
        catalogue_dtype=manifest.catalogue_dtype,
        context_columns=manifest.context_columns,
    )
    check_signature(expected, found=scorer.signature, path=str(folder / ENCODER_FILE))
    # 3. It must answer as the exporter's did, with every item available.
    check_golden(folder, manifest.golden, scorer)
    tower = _open_tower(folder, manifest)
    snapshot = Snapshot(
        version=manifest.version,
        role=role,
        manifest=manifest,
        vocabulary=items.vocabulary,
        catalogue=catalogue,
        scorer=scorer,
        tower=tower,
    )
    snapshot.set_unavailable(unavailable_hashes)
    # 4. The first calls allocate: not while users wait.
    snapshot.warm()
    return snapshot


def _open_tower(folder: Path, manifest: Manifest) -> ItemTower | None:
    if manifest.item_schema is None or manifest.tower_golden is None:  # `verify` saw to it: both, or none
        return None
    return open_tower(folder / TOWER_FILE, manifest.item_schema, manifest.tower_golden, width=manifest.width)


def _check_event_types(folder: Path, manifest: Manifest) -> None:
    # Codes are stored in histories: one must mean the same to the model and to the worker.
    if manifest.event_types != EVENT_TYPES:
        raise SignatureMismatch(
            f"{folder}: event types {list(manifest.event_types)}, expected {list(EVENT_TYPES)}; "
            f"train the model again"
        )


def _check_items(folder: Path, manifest: Manifest, items: BundleItems) -> None:
    said = (manifest.item_count, manifest.capacity, manifest.width)
    found = (len(items.vocabulary), *items.vectors.shape)
    if said != found:
        raise CorruptBundle(
            f"{folder}: the manifest says {said[0]} items, {said[1]} rows of width {said[2]}; "
            f"the table has {found[0]}, {found[1]} and {found[2]}; export the model again"
        )


def _empty_inputs(batch: int, max_length: int, context_columns: int) -> ModelInputs:
    return ModelInputs(
        np.zeros((batch, max_length), dtype=np.int32),
        np.zeros((batch, max_length), dtype=np.int32),
        np.zeros((batch, max_length), dtype=np.float32),
        np.zeros((batch, EXCLUDE_STEP), dtype=np.int32),
        np.zeros((batch, context_columns), dtype=np.int32) if context_columns else None,
    )
