"""`items.parquet`: the catalogue as it was trained; a row for each item, in the order of the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.bundle.errors import CorruptBundle
from models.bundle.signature import UNAVAILABLE_BIAS, capacity
from models.bundle.verification import ITEMS_FILE
from models.bundle.vocabulary import Vocabulary

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True, kw_only=True)
class BundleItems:
    """A catalogue, padded to its capacity V.

    `vectors` float32 [V, d]; `bias` float32 [V], `UNAVAILABLE_BIAS` for the padding row and for empty rows.
    """

    vocabulary: Vocabulary
    vectors: NDArray[np.float32]
    bias: NDArray[np.float32]


def read_items(folder: Path) -> BundleItems:
    """Raises CorruptBundle where the table cannot be read, or is not one of items in row order."""
    import polars as pl  # takes a third of a worker's start, and none is needed before a model comes

    path = Path(folder) / ITEMS_FILE
    table = _read_table(path, ["index", "item_id", "vector", "bias"])
    count = table.height
    if not np.array_equal(table["index"].to_numpy(), np.arange(1, count + 1)):
        raise CorruptBundle(f"{path}: index is not 1 to {count} in order; export the model again")
    kind = table["vector"].dtype
    if not isinstance(kind, pl.Array) or len(kind.shape) != 1:
        raise CorruptBundle(f"{path}: vector is {kind}, not an array of one length; export the model again")
    try:
        vocabulary = Vocabulary(table["item_id"].to_list())
    except ValueError as error:
        raise CorruptBundle(f"{path}: {error}") from error
    rows = capacity(count)
    vectors = np.zeros((rows, kind.shape[0]), dtype=np.float32)
    bias = np.full(rows, UNAVAILABLE_BIAS, dtype=np.float32)
    vectors[1 : count + 1] = table["vector"].to_numpy().reshape(count, kind.shape[0])
    bias[1 : count + 1] = table["bias"].to_numpy()
    if not (np.isfinite(vectors).all() and np.isfinite(bias).all()):
        raise CorruptBundle(f"{path}: vectors or biases are not finite; train the model again")
    return BundleItems(vocabulary=vocabulary, vectors=vectors, bias=bias)


@dataclass(frozen=True, kw_only=True)
class ToldItems:
    """What is told of a catalogue's items, for reports; no worker reads it.

    field_weights  float32 [items, 1 + F], what each field had in the item's vector, the id first
    features       each item as JSON, as of `stream_app.domain.messages.Item`
    """

    field_weights: NDArray[np.float32]
    features: Sequence[str]


def read_told(folder: Path) -> ToldItems | None:
    """What is told of the items of `read_items`; None for a model that does not look at fields.

    Raises CorruptBundle where the table cannot be read.
    """
    table = _read_table(Path(folder) / ITEMS_FILE)
    if "field_weights" not in table.columns:
        return None
    return ToldItems(field_weights=table["field_weights"].to_numpy(), features=table["features"].to_list())


def _read_table(path: Path, columns: list[str] | None = None) -> polars.DataFrame:
    import polars as pl

    try:
        return pl.read_parquet(path, columns=columns, use_pyarrow=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CorruptBundle(f"{path}: not readable ({error}); publish the version again") from error


def write_items(
    folder: Path,
    *,
    item_ids: Sequence[str],
    vectors: NDArray[np.float32],
    bias: NDArray[np.float32],
    told: ToldItems | None = None,
) -> Path:
    """Write the catalogue without padding: `vectors` [items, d], `bias` [items], in the order of `item_ids`.

    Item i gets row i + 1. `told` adds the columns field_weights and features. Raises ValueError where the
    shapes do not fit.
    """
    import polars as pl

    if vectors.ndim != 2 or len(vectors) != len(item_ids) or bias.shape != (len(item_ids),):
        raise ValueError(
            f"{len(item_ids)} items need vectors [{len(item_ids)}, d] and bias [{len(item_ids)}] "
            f"without padding, found {list(vectors.shape)} and {list(bias.shape)}"
        )
    table = pl.DataFrame(
        {
            "index": pl.Series(np.arange(1, len(item_ids) + 1, dtype=np.int32)),
            "item_id": pl.Series(list(item_ids), dtype=pl.String),
            "vector": pl.Series(
                np.ascontiguousarray(vectors, dtype=np.float32),
                dtype=pl.Array(pl.Float32, vectors.shape[1]),
            ),
            "bias": pl.Series(np.asarray(bias, dtype=np.float32)),
        }
    )
    if told is not None:
        weights = np.ascontiguousarray(told.field_weights, dtype=np.float32)
        table = table.with_columns(
            pl.Series("field_weights", weights, dtype=pl.Array(pl.Float32, weights.shape[1])),
            pl.Series("features", list(told.features), dtype=pl.String),
        )
    path = Path(folder) / ITEMS_FILE
    table.write_parquet(path)
    return path
