"""The sample as the demo plays it: the history that is put in at once, and the live events after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stream_app.domain.messages import Event, encode
from stream_app.domain.ratings import type_of_rating

HISTORY_SHARE = 0.8


class LoggedEvent(NamedTuple):
    """One line of the log; `item` is its row in `SampleLog.item_ids`."""

    user_id: str
    item: int
    item_id: str
    type: str
    timestamp_ms: int

    def message(self, event_id: str | None = None) -> bytes:
        """The event as it travels."""
        return encode(
            Event(
                user_id=self.user_id,
                item_id=self.item_id,
                type=self.type,  # type: ignore[arg-type]
                timestamp=self.timestamp_ms,
                event_id=event_id,
            )
        )


@dataclass(frozen=True, kw_only=True)
class SampleLog:
    """A log in order of time, cut in two, and its catalogue."""

    history: list[LoggedEvent]
    live: list[LoggedEvent]
    item_ids: list[str]
    titles: dict[str, str]


def read_sample(interactions: Path, items: Path) -> SampleLog:
    """Read the two Parquet files: user_id, item_id, rating, timestamp; and item_id, title, year."""
    catalogue = pl.read_parquet(items)
    log = pl.read_parquet(interactions).sort("timestamp", maintain_order=True)
    item_ids = catalogue["item_id"].to_list()
    row_of = {item_id: row for row, item_id in enumerate(item_ids)}
    events = [
        LoggedEvent(user, row_of[item], item, type_of_rating(rating), at)
        for user, item, rating, at in log.select("user_id", "item_id", "rating", "timestamp").iter_rows()
    ]
    cut = round(len(events) * HISTORY_SHARE)
    return SampleLog(
        history=events[:cut],
        live=events[cut:],
        item_ids=item_ids,
        titles={
            item: f"{title} ({year})" if year else title
            for item, title, year in catalogue.select("item_id", "title", "year").iter_rows()
        },
    )
