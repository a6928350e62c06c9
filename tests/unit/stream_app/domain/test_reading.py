"""Which lists are news to a reader."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_app.domain.reading import NewestTriggers


def test_a_list_is_news_once_and_what_is_older_never_again() -> None:
    triggers = NewestTriggers()
    assert triggers.is_news("ann", 0, 5)
    assert not triggers.is_news("ann", 0, 5)
    assert not triggers.is_news("ann", 0, 3)
    assert triggers.is_news("ann", 0, 6)
    assert triggers.is_news("bob", 0, 4)
    assert triggers.is_news("ann", 1, 0)  # a producer of another partitioner


def test_a_source_made_anew_begins_anew() -> None:
    triggers = NewestTriggers()
    assert triggers.is_news("ann", 0, 900)
    assert triggers.is_news("ann", 0, 2, epoch=1)
    assert not triggers.is_news("ann", 0, 901)


def test_memory_is_bounded_and_keeps_whom_it_saw_last() -> None:
    triggers = NewestTriggers(limit=3)
    for offset, user in enumerate("abcad"):
        assert triggers.is_news(user, 0, offset)
    assert len(triggers) == 3
    assert not triggers.is_news("a", 0, 3)
    assert triggers.is_news("b", 0, 1)  # forgotten: b's last list was the longest ago


@given(
    sent=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    crashes=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 8)), max_size=4),
)
def test_whatever_is_sent_again_is_seen_once(sent: list[int], crashes: list[tuple[int, int]]) -> None:
    """Each crash goes back some lists and sends from there."""
    stream = []
    at = 0
    for crash, back in sorted(crashes):
        stream += range(at, min(crash, len(sent)))
        at = max(min(crash, len(sent)) - back, 0)
    stream += range(at, len(sent))
    triggers = NewestTriggers(limit=10)
    seen = [(sent[offset], offset) for offset in stream if triggers.is_news(str(sent[offset]), 0, offset)]
    assert sorted(set(seen)) == sorted(seen)
    for user in set(sent):
        assert [offset for who, offset in seen if who == user] == [
            offset for offset, who in enumerate(sent) if who == user
        ]
