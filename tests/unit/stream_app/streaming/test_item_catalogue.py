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


class Clock:
    now_ms = 1_000

    def __call__(self) -> int:
        return self.now_ms


def publish(catalogue: ItemCatalogue, item_id: str, at_ms: int | None, *, available: bool = True) -> None:
    item = Item(item_id=item_id, published_at=at_ms, available=available)
    assert catalogue.apply(item_id.encode(), encode(item)) is None


def test_an_item_may_not_be_recommended_before_it_is_published() -> None:
    clock, heard = Clock(), []
    catalogue = ItemCatalogue(clock_ms=clock)
    catalogue.on_availability(lambda hashed, available: heard.append((hashed, available)))
    for item_id, at_ms in (("tea", 2_000), ("cup", 3_000), ("pot", 1_000), ("jug", None)):
        publish(catalogue, item_id, at_ms)
    assert catalogue.unavailable == {item_hash("tea"), item_hash("cup")}
    clock.now_ms = 1_999
    catalogue.publish_due()
    assert not catalogue.available(item_hash("tea"))
    clock.now_ms = 2_000
    catalogue.publish_due()
    assert catalogue.unavailable == {item_hash("cup")}
    assert heard[-1] == (item_hash("tea"), True)


def test_what_was_changed_meanwhile_holds_when_an_item_would_have_been_published() -> None:
    clock = Clock()
    catalogue = ItemCatalogue(clock_ms=clock)
    for item_id in ("withdrawn", "retired", "later", "at once", "again"):
        publish(catalogue, item_id, 2_000)
    publish(catalogue, "withdrawn", 2_000, available=False)
    catalogue.apply(b"retired", None)
    publish(catalogue, "later", 9_000)
    publish(catalogue, "at once", None)
    catalogue.apply(b"again", None)
    publish(catalogue, "again", 2_000)
    assert catalogue.available(item_hash("at once"))
    clock.now_ms = 2_000
    catalogue.publish_due()
    assert catalogue.unavailable == {item_hash(one) for one in ("withdrawn", "retired", "later")}
    clock.now_ms = 2**70
    catalogue.publish_due()
    assert catalogue.available(item_hash("later"))


def test_who_listens_hears_of_each_item_and_of_what_is_told_anew() -> None:
    catalogue, heard = ItemCatalogue(), []
    catalogue.on_item(lambda item: heard.append((item.item_id, item.title)))
    for title in ("Tea", "Tea", "Green tea"):
        catalogue.apply(b"tea", encode(Item(item_id="tea", title=title)))
    catalogue.apply(b"tea", None)
    catalogue.apply(b"tea", encode(Item(item_id="tea", title="Green tea")))
    assert heard == [("tea", "Tea"), ("tea", "Green tea"), ("tea", "Green tea")]
