"""Which events of a user share a list, and where a history is cut."""

from __future__ import annotations

import pytest

from stream_app.domain import history
from stream_app.domain.decoding import Interaction
from stream_app.streaming.touches import Emission, EpochPassed, Window, touches_of

WINDOW = Window(limit=200, max_age_ms=180 * 86_400_000)
NOW_MS = 1_700_000_000_000


def event(offset: int, *, item: int = 1) -> Interaction:
    return Interaction(offset, b"ann", item, NOW_MS + offset, 2, f"item-{item}")


def forget(offset: int) -> Interaction:
    return Interaction(offset, b"ann", 0, NOW_MS + offset, 0, "")


def cut(
    events: list[Interaction], stored: bytes | None, emission: Emission
) -> list[tuple[list[int], int, bool]]:
    """Offsets, events in the history after, and whether it is answered, of each touch."""
    return [
        ([one.offset for one in touch.events], history.length(touch.after or b"\0" * 32), touch.is_answered)
        for touch in touches_of(b"ann", events, stored, epoch=0, window=WINDOW, emission=emission)
    ]


def stored(*events: Interaction) -> bytes | None:
    return history.extend(None, events, epoch=0, limit=200, max_age_ms=WINDOW.max_age_ms)


def test_touched_gives_one_list_for_all() -> None:
    assert cut([event(5), event(6, item=2), event(7)], None, "touched") == [([5, 6, 7], 3, True)]


def test_each_gives_one_list_an_event() -> None:
    assert cut([event(5), event(6)], None, "each") == [([5], 1, True), ([6], 2, True)]


def test_what_is_replayed_shares_one_list() -> None:
    record = stored(event(5), event(6))
    assert cut([event(5), event(6), event(7), event(8)], record, "each") == [
        ([5, 6], 2, True),
        ([7], 3, True),
        ([8], 4, True),
    ]


@pytest.mark.parametrize("emission", ["touched", "each"])
def test_what_follows_a_forget_is_another_history(emission: Emission) -> None:
    found = cut([event(5), forget(6), event(7, item=2)], stored(event(3)), emission)
    assert found[-2:] == [([5, 6] if emission == "touched" else [6], 0, False), ([7], 1, True)]


def test_a_replayed_forget_erases_nothing_that_came_after_it() -> None:
    record = stored(event(5), forget(6), event(7), event(8))
    touches = list(
        touches_of(b"ann", [event(5), forget(6)], record, epoch=0, window=WINDOW, emission="touched")
    )
    assert touches[-1].after == record
    assert not touches[-1].is_answered


def test_a_worker_of_an_earlier_epoch_stops_instead_of_passing_events_over() -> None:
    later = history.extend(None, [event(900)], epoch=1, limit=200, max_age_ms=WINDOW.max_age_ms)
    with pytest.raises(EpochPassed, match="MILLSTREAM_SOURCE_EPOCH=1"):
        cut([event(5)], later, "touched")


def test_a_raised_epoch_takes_offsets_that_begin_anew() -> None:
    (touch,) = touches_of(b"ann", [event(5)], stored(event(900)), epoch=1, window=WINDOW, emission="touched")
    assert history.position(touch.after or b"") == (1, 5)
    assert history.length(touch.after or b"") == 2


@pytest.mark.parametrize("emission", ["touched", "each"])
def test_the_last_history_is_that_of_all_events_at_once(emission: Emission) -> None:
    events = [event(5), event(6), forget(7), event(8), event(9, item=3)]
    *_, last = touches_of(b"ann", events, stored(event(1)), epoch=0, window=WINDOW, emission=emission)
    assert last.after == stored(*events)
