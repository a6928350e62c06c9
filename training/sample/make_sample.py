"""MovieLens latest-small as Parquet, from Debian's package r-cran-dslabs.

    apt-get download r-cran-dslabs && dpkg -x r-cran-dslabs_*.deb deb
    python make_sample.py deb/usr/lib/R/site-library/dslabs/data/Rdata .

Needs `rdata` (not among the project's dependencies) and polars. An R lazy-load database is a gzipped index
(.rdx) of offsets into concatenated blocks (.rdb), each a 4-byte big-endian length and a zlib stream.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from pathlib import Path
from typing import Any

import polars as pl
import rdata


def _parse(raw: bytes) -> Any:
    return rdata.conversion.convert(rdata.parser.parse_data(raw))


def read_table(stem: str, name: str) -> dict[str, list[Any]]:
    """A table of an R lazy-load database as columns; missing values are None."""
    index = _parse(gzip.decompress(Path(stem + ".rdx").read_bytes()))
    start, size = index["variables"][name]
    table = _parse(zlib.decompress(Path(stem + ".rdb").read_bytes()[start : start + size][4:]))
    return {
        column: table[column].astype(object).where(table[column].notna(), None).tolist()
        for column in table.columns
    }


def main(stem: str, folder: Path) -> None:
    """Write interactions.parquet and items.parquet into `folder`."""
    column = read_table(stem, "movielens")
    item_id = [str(value) for value in column["movieId"]]
    interactions = pl.DataFrame(
        {
            "user_id": [str(value) for value in column["userId"]],
            "item_id": item_id,
            "rating": pl.Series(column["rating"], dtype=pl.Float32),
            "timestamp": [int(value) * 1000 for value in column["timestamp"]],
        }
    )
    in_time = interactions.sort("timestamp", "user_id", maintain_order=True)
    in_time.write_parquet(folder / "interactions.parquet", compression="zstd")
    items = pl.DataFrame(
        {
            "item_id": item_id,
            "title": [None if value is None else str(value) for value in column["title"]],
            "year": pl.Series([None if v is None else int(v) for v in column["year"]], dtype=pl.Int32),
            "categories": [
                [] if genres in (None, "(no genres listed)") else str(genres).split("|")
                for genres in column["genres"]
            ],
        }
    )
    first = items.unique("item_id", maintain_order=True)
    first.write_parquet(folder / "items.parquet", compression="zstd")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
