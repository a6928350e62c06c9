"""What the `items` topic says of an item, and who hears of it."""

from __future__ import annotations

from models.bundle.hashing import item_hash
from stream_app.domain.messages import Item, encode
from stream_app.streaming.item_catalogue import ItemCatalogue


def put(catalogue: ItemCatalogue, item_id: str, *, available: bool = True) -> str | None:
    return catalogue.apply(item_id.encode(), encode(Item(item_id=item_id, available=available)))


def test_an_item_that_nobody_told_of_may_be_recommended() -> None:
    assert ItemCatalogue().available(item_hash("tea"))


def test_an_unavailable_item_may_not_until_it_is_available_again() -> None:
    catalogue = ItemCatalogue()
    put(catalogue, "tea", available=False)
    assert not catalogue.available(item_hash("tea"))
    put(catalogue, "tea")
    assert catalogue.available(item_hash("tea"))


def test_a_null_value_retires_an_item_also_one_never_heard_of() -> None:
    catalogue = ItemCatalogue()
    put(catalogue, "tea")
    for item_id in ("tea", "cup"):
        assert catalogue.apply(item_id.encode(), None) is None
        assert not catalogue.available(item_hash(item_id))
        assert catalogue.item(item_hash(item_id)) is None


def test_listeners_hear_of_changes_only() -> None:
    catalogue, heard = ItemCatalogue(), []
    catalogue.on_availability(lambda hashed, available: heard.append((hashed, available)))
    put(catalogue, "tea")
    put(catalogue, "tea", available=False)
    put(catalogue, "tea", available=False)
    put(catalogue, "tea")
    assert heard == [(item_hash("tea"), False), (item_hash("tea"), True)]


def test_a_bad_record_is_named_and_changes_nothing() -> None:
    catalogue = ItemCatalogue()
    put(catalogue, "tea")
    for key, value, word in (
        (None, b"{}", "key"),
        (b"tea", b"junk", "not a valid"),
        (b"cup", b"", "not a valid"),
    ):
        assert word in (catalogue.apply(key, value) or "")
    assert "differs" in (catalogue.apply(b"cup", encode(Item(item_id="tea"))) or "")
    assert len(catalogue) == 1
