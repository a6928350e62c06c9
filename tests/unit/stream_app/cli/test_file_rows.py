from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream_app.cli.file_rows import FUTURE_LIMIT_MS, events_of, items_of
from stream_app.cli.tables import Rejects, Table
from stream_app.domain.messages import Event, Item

NOW_MS = 1_800_000_000_000
GOOD = {"user_id": "u", "item_id": "i", "timestamp": 1_700_000_000_000}


def table(*rows: dict[str, Any]) -> Table:
    return Table([{**row, "__row": number} for number, row in enumerate(rows, start=1)])


def events(*rows: dict[str, Any]) -> tuple[list[Event], Rejects]:
    rejects = Rejects()
    records = list(events_of(table(*rows), rejects, now_ms=NOW_MS))
    decoded = [msgspec.json.decode(record.value or b"", type=Event) for record in records]
    for record, event in zip(records, decoded, strict=True):
        assert record.key == event.user_id.encode()
        assert record.timestamp_ms == event.timestamp
    return decoded, rejects


def items(*rows: dict[str, Any]) -> tuple[list[Item], Rejects]:
    rejects = Rejects()
    records = list(items_of(table(*rows), rejects))
    return [msgspec.json.decode(record.value or b"", type=Item) for record in records], rejects


def test_a_row_is_an_event_in_its_own_time() -> None:
    (event,), rejects = events(
        {**GOOD, "type": "click", "event_id": 7, "context": {"device": "tv", "place": None}}
    )
    assert event == Event(
        user_id="u",
        item_id="i",
        type="click",
        timestamp=GOOD["timestamp"],
        event_id="7",
        context={"device": "tv"},
    )
    assert rejects.by_field == {}


@pytest.mark.parametrize(
    ("rating", "kind"),
    [(5, "like"), ("4.0", "like"), (3.5, "view"), (3, "view"), (2.5, "dislike"), (None, "view")],
)
def test_a_rating_says_the_type(rating: Any, kind: str) -> None:
    (event,), _ = events({**GOOD, "rating": rating})
    assert event.type == kind


def test_the_type_goes_before_the_rating() -> None:
    (event,), _ = events({**GOOD, "type": "purchase", "rating": 1})
    assert event.type == "purchase"


def test_numbers_as_ids_become_text() -> None:
    (event,), _ = events({**GOOD, "user_id": 7, "item_id": 8})
    assert (event.user_id, event.item_id) == ("7", "8")


def test_context_in_a_csv_is_json() -> None:
    (event,), _ = events({**GOOD, "context": '{"device": "tv"}'})
    assert event.context == {"device": "tv"}


def test_forget_has_no_item() -> None:
    (event,), _ = events({**GOOD, "item_id": None, "type": "forget"})
    assert event.item_id is None


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"timestamp": None}, "timestamp", "no number"),
        ({"timestamp": "yesterday"}, "timestamp", "no number"),
        ({"timestamp": float("nan")}, "timestamp", "no number"),
        ({"timestamp": 1_700_000_000}, "timestamp", "seconds?"),
        ({"timestamp": NOW_MS + FUTURE_LIMIT_MS + 1}, "timestamp", "future"),
        ({"user_id": ""}, "user_id", "user_id"),
        ({"user_id": None}, "user_id", "user_id"),
        ({"item_id": None}, "item_id", "missing or empty"),
        ({"item_id": "x" * 257}, "item_id", "257 bytes"),
        ({"type": "buy"}, "type", "buy"),
        ({"rating": "good"}, "rating", "no number"),
        ({"context": "{"}, "context", "not JSON"),
        ({"context": [1]}, "context", "no object"),
        ({"context": {"a": {"b": 1}}}, "context", "context"),
    ],
)
def test_a_row_that_a_worker_would_refuse_is_left_out_and_counted(
    change: dict[str, Any], field: str, said: str
) -> None:
    sent, rejects = events(GOOD, {**GOOD, **change}, GOOD, {**GOOD, **change})
    assert len(sent) == 2
    assert list(rejects.by_field) == [field]
    assert rejects.by_field[field]["count"] == 2
    assert rejects.by_field[field]["first"].startswith("row 2: ")
    assert said in rejects.by_field[field]["first"]


def test_a_row_is_an_item_and_its_other_columns_are_features() -> None:
    row = {
        "item_id": 7,
        "title": "Sleepers",
        "categories": ["Thriller"],
        "available": False,
        "published_at": 1_700_000_000_000,
        "embedding": [0.5, 1.0],
        "year": 1996,
        "studio": None,
    }
    (item,), rejects = items(row)
    assert item == Item(
        item_id="7",
        title="Sleepers",
        categories=("Thriller",),
        available=False,
        published_at=1_700_000_000_000,
        embedding=(0.5, 1.0),
        features={"year": 1996},
    )
    assert rejects.by_field == {}


def test_an_item_of_a_csv_has_its_lists_and_truths_as_text() -> None:
    (item,), _ = items({"item_id": "7", "title": "", "categories": "A|B|", "available": "False"})
    assert item == Item(item_id="7", categories=("A", "B"), available=False)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"item_id": None}, "item_id"),
        ({"item_id": "é" * 129}, "item_id"),
        ({"published_at": "soon"}, "published_at"),
        ({"embedding": "0.1 0.2"}, "embedding"),
        ({"available": "perhaps", "features": [1]}, "features"),
    ],
)
def test_a_row_that_is_no_item_is_left_out_and_counted(change: dict[str, Any], field: str) -> None:
    good, rejects = items({"item_id": "1"}, {"item_id": "2", **change})
    assert [item.item_id for item in good] == ["1"]
    assert {name: entry["count"] for name, entry in rejects.by_field.items()} == {field: 1}
