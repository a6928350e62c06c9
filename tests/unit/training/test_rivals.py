"""What a model must beat."""

from __future__ import annotations

from models.bundle.hashing import item_hash
from stream_app.domain.decoding import Interaction
from stream_app.domain.history import extend
from tests.unit.training.logs import DAY_MS, START_MS
from training.rivals.popularity import Popularity
from training.rivals.random import Random


def _event(item: str, *, day: float = 0.0) -> Interaction:
    return Interaction(0, b"u", item_hash(item), START_MS + round(day * DAY_MS), 1, item)


def _record(*items: str) -> bytes:
    events = [_event(item)._replace(offset=place) for place, item in enumerate(items)]
    record = extend(None, events, epoch=0, limit=200, max_age_ms=DAY_MS)
    assert record is not None
    return record


def _hashes(items: str) -> list[int]:
    return [item_hash(item) for item in items]


def test_the_most_frequent_come_first_then_the_first_to_occur() -> None:
    popularity = Popularity()
    for item in "abccbdd":
        popularity.learn(_event(item))
    assert list(popularity.recommend(_record("z"), k=3)) == _hashes("bcd")


def test_what_the_history_holds_is_left_out() -> None:
    popularity = Popularity()
    for item in "aaabbc":
        popularity.learn(_event(item))
    assert list(popularity.recommend(_record("a", "z"), k=3)) == _hashes("bc")


def test_only_the_last_days_count() -> None:
    recent = Popularity(days=7)
    for item in "aaa":
        recent.learn(_event(item))
    for item in "bbc":
        recent.learn(_event(item, day=5))
    assert list(recent.recommend(_record("z"), k=3)) == _hashes("abc")
    recent.learn(_event("c", day=8))
    recent.learn(_event("c", day=8))
    assert list(recent.recommend(_record("z"), k=3)) == _hashes("cb")
    assert recent.name == "popularity-7d"


def test_ties_at_the_last_place_go_to_the_first_to_occur() -> None:
    popularity = Popularity()
    for item in "abcdefgh":
        popularity.learn(_event(item))
    assert list(popularity.recommend(_record("z"), k=3)) == _hashes("abc")


def test_random_draws_each_item_evenly_and_none_that_was_seen() -> None:
    rival = Random(seed=1)
    for item in "abcdef":
        rival.learn(_event(item))
    drawn = [hash_ for _ in range(600) for hash_ in rival.recommend(_record("a"), k=2)]
    counts = [drawn.count(hash_) for hash_ in _hashes("abcdef")]
    assert counts[0] == 0
    assert all(180 < count < 300 for count in counts[1:])


def test_random_gives_all_there_is_when_that_is_less_than_k() -> None:
    rival = Random()
    for item in "abc":
        rival.learn(_event(item))
    assert sorted(rival.recommend(_record("b"), k=10)) == sorted(_hashes("ac"))
