from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Struct

from models.bundle.signature import EVENT_TYPES
from stream_app.domain import messages
from stream_app.domain.messages import (
    INTERACTION_TYPES,
    MESSAGES,
    Because,
    Event,
    ModelRef,
    Outcome,
    Recommendation,
    RecommendedItem,
    Trigger,
    encode,
    encode_within,
    schemas,
)
from tests.unit.stream_app.domain.examples import ABSENT, FULL, WRONG

EVERY_FIELD = [(kind, field) for kind in FULL for field in kind.__struct_fields__]
REQUIRED = [(kind, field) for kind, field in EVERY_FIELD if field not in ABSENT.get(kind, {})]
OPTIONAL = [(kind, field, default) for kind, fields in ABSENT.items() for field, default in fields.items()]
WRONG_VALUES = [
    (kind, field, value)
    for kind, fields in WRONG.items()
    for field, wrong in fields.items()
    for value in wrong
]


def read(kind: type[Struct], document: dict[str, Any]) -> Struct:
    return msgspec.json.decode(msgspec.json.encode(document), type=kind)


def without(kind: type[Struct], field: str) -> dict[str, Any]:
    return {name: value for name, value in FULL[kind].items() if name != field}


def test_the_examples_have_every_field_of_every_message() -> None:
    found = {
        kind
        for kind in vars(messages).values()
        if isinstance(kind, type) and issubclass(kind, Struct) and kind is not Struct
    }
    assert found == set(FULL) == set(WRONG)
    assert set(MESSAGES.values()) <= found
    for kind in found:
        assert set(FULL[kind]) == set(kind.__struct_fields__) == set(WRONG[kind])


@pytest.mark.parametrize(("kind", "field"), EVERY_FIELD)
def test_a_field_comes_back_as_it_was_sent(kind: type[Struct], field: str) -> None:
    message = read(kind, FULL[kind])
    assert msgspec.json.decode(msgspec.json.encode(getattr(message, field))) == FULL[kind][field]
    assert msgspec.json.decode(encode(message))[field] == FULL[kind][field]


@pytest.mark.parametrize("kind", FULL)
def test_a_message_comes_back_whole(kind: type[Struct]) -> None:
    message = read(kind, FULL[kind])
    assert msgspec.json.decode(encode(message), type=kind) == message


@pytest.mark.parametrize(("kind", "field"), REQUIRED)
def test_a_required_field_must_be_there(kind: type[Struct], field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{field}`"):
        read(kind, without(kind, field))


@pytest.mark.parametrize(("kind", "field", "default"), OPTIONAL)
def test_an_optional_field_may_be_absent(kind: type[Struct], field: str, default: object) -> None:
    message = read(kind, without(kind, field))
    assert getattr(message, field) == default
    assert field not in msgspec.json.decode(encode(message))


@pytest.mark.parametrize(("kind", "field", "value"), WRONG_VALUES)
def test_a_wrong_value_is_refused_and_its_field_named(kind: type[Struct], field: str, value: object) -> None:
    with pytest.raises(msgspec.ValidationError, match=rf"at `\$\.{field}"):
        read(kind, {**FULL[kind], field: value})


@pytest.mark.parametrize("kind", FULL)
def test_unknown_fields_are_ignored(kind: type[Struct]) -> None:
    newer = {"a": 1, **FULL[kind], "z": {"user_id": [None]}}
    assert read(kind, newer) == read(kind, FULL[kind])


@pytest.mark.parametrize("kind", FULL)
def test_a_message_cannot_be_changed(kind: type[Struct]) -> None:
    message = read(kind, FULL[kind])
    with pytest.raises(AttributeError, match="immutable"):
        setattr(message, kind.__struct_fields__[0], "other")


def test_text_of_any_script_is_sent_as_utf8() -> None:
    event = Event(user_id="жанна", type="view", item_id="映画\u0000\U0001f3ac")
    assert "жанна".encode() in encode(event)
    assert msgspec.json.decode(encode(event), type=Event) == event


def test_a_rank_of_null_is_sent_since_it_means_a_miss() -> None:
    outcome = read(Outcome, {**FULL[Outcome], "rank": None})
    assert msgspec.json.decode(encode(outcome))["rank"] is None


def test_the_types_of_events_are_those_of_the_model_and_forget() -> None:
    accepted = {kind for kind in (*EVENT_TYPES, "forget") if _accepted(kind)}
    assert accepted == {*EVENT_TYPES[1:], "forget"} == {*INTERACTION_TYPES, "forget"}


def _accepted(event_type: str) -> bool:
    try:
        return isinstance(read(Event, {**FULL[Event], "type": event_type}), Event)
    except msgspec.ValidationError:
        return False


def test_there_is_a_schema_of_every_message() -> None:
    assert list(schemas()) == ["event", "item", "recommendation", "outcome", "model"]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_schema_names_and_describes_each_field(name: str) -> None:
    schema = schemas()[name]
    assert schema["$ref"] == f"#/$defs/{MESSAGES[name].__name__}"
    by_name = {kind.__name__: kind for kind in FULL}
    for title, definition in schema["$defs"].items():
        kind = by_name[title]
        assert definition["description"]
        assert list(definition["properties"]) == list(kind.__struct_fields__)
        assert set(definition["required"]) == set(kind.__struct_fields__) - set(ABSENT.get(kind, {}))
        for field, found in definition["properties"].items():
            referred = schema["$defs"].get(found.get("$ref", "").rpartition("/")[2], {})
            assert found.get("description") or referred.get("description"), f"{title}.{field}"


def big_list(*, items: int, size: int, reasons: int) -> Recommendation:
    why = tuple(Because(item_id="b" * size, weight=0.1) for _ in range(reasons))
    return Recommendation(
        user_id="u",
        items=tuple(RecommendedItem(item_id="i" * size, score=1.0, because=why) for _ in range(items)),
        model=ModelRef("v", "champion"),
        trigger=Trigger((), "events", 0, 7),
        history_length=1,
        event_timestamp=1,
        emitted_at=2,
    )


def test_a_list_that_fits_is_sent_as_it_is() -> None:
    whole = big_list(items=10, size=20, reasons=3)
    assert encode_within(100_000, whole) == encode(whole)


@pytest.mark.parametrize(("items", "reasons", "left"), [(20, 9, 20), (80, 9, 40), (4000, 0, 31)])
def test_a_list_that_does_not_fit_loses_its_reasons_and_then_its_end(
    items: int, reasons: int, left: int
) -> None:
    sent = msgspec.json.decode(
        encode_within(15_000, big_list(items=items, size=250, reasons=reasons)), type=Recommendation
    )
    assert len(sent.items) == left
    assert all(not item.because for item in sent.items)
    assert sent.trigger.offset == 7
