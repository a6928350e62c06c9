from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.domain import lists as lists_of_users
from stream_app.domain.history import UnknownFormat
from stream_app.domain.lists import LISTS_MAX, GivenList, judging, read, remember, write
from stream_app.domain.messages import Role
from tests.unit.stream_app.domain.samples import NOW_MS, given_list

GOLDEN = bytes.fromhex(
    "01"  # format; then for each list
    "07000000 4e61bc0000000000 0068e5cf8b010000 0a00 0200 00 06"  # epoch, offset, emitted, k, count, role
    "76f09f8eac39 0100000000000000 ffffffffffffffff"  # bytes of the version: 6; the version, hashes
    "06000000 4d61bc0000000000 ff67e5cf8b010000 6400 0000 02 08"
    "7472656e64696e67"  # an empty list of "trending"
)
GOLDEN_LISTS = (
    given_list(1, 2**64 - 1, epoch=7, offset=12_345_678, version="v🎬9"),
    given_list(
        epoch=6, offset=12_345_677, emitted_at_ms=NOW_MS - 1, k=100, version="trending", role="fallback"
    ),
)

POSITIONS = st.tuples(st.integers(0, 3), st.integers(0, 20))
HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=12)
LISTS = st.builds(
    lambda position, hashes, emitted, k, version, role: given_list(
        *hashes, epoch=position[0], offset=position[1], emitted_at_ms=emitted, k=k, version=version, role=role
    ),
    POSITIONS,
    HASHES,
    st.integers(0, 2**62),
    st.integers(0, 65_535),
    st.text(max_size=60),
    st.sampled_from(["champion", "challenger", "fallback"]),
)


def at(offset: int, epoch: int = 0) -> GivenList:
    return given_list(offset + 1, offset=offset, epoch=epoch)


def test_the_bytes_of_format_1_stay_as_they_are() -> None:
    assert write(GOLDEN_LISTS) == GOLDEN
    assert read(GOLDEN) == GOLDEN_LISTS


@given(lists=st.lists(LISTS, max_size=2).map(tuple))
def test_lists_come_back_as_they_were_written(lists: tuple[GivenList, ...]) -> None:
    assert read(write(lists)) == lists


@pytest.mark.parametrize("role", ["champion", "challenger", "fallback"])
def test_each_role_comes_back(role: Role) -> None:
    assert read(write((given_list(role=role),)))[0].model.role == role


def test_a_user_without_a_record_was_given_nothing() -> None:
    assert read(None) == ()


def test_an_empty_list_is_kept_as_one() -> None:
    (found,) = read(write((given_list(),)))
    assert found.hashes == b""
    assert found.rank(1) is None


@pytest.mark.parametrize(
    ("version", "kept"),
    [
        ("x" * 255, "x" * 255),
        ("x" * 300, "x" * 255),
        ("é" * 127 + "x", "é" * 127 + "x"),
        ("é" * 300, "é" * 127),
        ("x" + "🎬" * 100, "x" + "🎬" * 63),
    ],
)
def test_a_version_is_cut_at_255_bytes_between_characters(version: str, kept: str) -> None:
    lists = read(write((given_list(5, offset=2, version=version), given_list(6, offset=1, version=version))))
    assert [given.model.version for given in lists] == [kept, kept]
    assert [given.rank(5) for given in lists] == [1, None]


@pytest.mark.parametrize("found", [0, 2, 255])
def test_a_record_of_another_format_is_refused(found: int) -> None:
    with pytest.raises(UnknownFormat, match=f"format {found} found.*upgrade the worker"):
        read(bytes([found]) + GOLDEN[1:])


# Values of few different bytes, so that a search often matches across two hashes.
PATTERNED = st.lists(st.sampled_from([0, 1]), min_size=8, max_size=8).map(
    lambda parts: int.from_bytes(bytes(parts), "little")
)


@given(hashes=st.lists(PATTERNED, max_size=12), asked=PATTERNED)
def test_a_rank_is_the_first_place_of_the_item(hashes: list[int], asked: int) -> None:
    assert given_list(*hashes).rank(asked) == (hashes.index(asked) + 1 if asked in hashes else None)


def test_a_match_across_two_items_is_no_match() -> None:
    given = given_list(0x1111_2222_3333_4444, 0x5555_6666_7777_8888, 0x7777_8888_1111_2222)
    across = 0x7777_8888_1111_2222
    assert across.to_bytes(8, "little") == given.hashes[4:12]
    assert given.rank(across) == 3


@given(lists=st.lists(LISTS, max_size=4), position=POSITIONS)
def test_an_event_is_judged_by_the_newest_list_before_it(
    lists: list[GivenList], position: tuple[int, int]
) -> None:
    newest_first = tuple(sorted(lists, key=lambda given: given.position, reverse=True))
    before = [given for given in newest_first if given.position < position]
    assert judging(newest_first, *position) == (before[0] if before else None)


def test_a_list_does_not_judge_the_event_that_triggered_it() -> None:
    lists = (at(10),)
    assert judging(lists, 0, 10) is None
    assert judging(lists, 0, 11) is lists[0]


def test_a_list_of_an_older_epoch_judges_whatever_the_offset() -> None:
    old = at(500, epoch=1)
    assert judging((old,), 2, 0) is old
    assert judging((old,), 1, 500) is None


def test_the_first_list_is_remembered_alone() -> None:
    assert remember((), at(3), committed=(0, 0)) == (at(3),)


def test_with_the_newest_committed_it_becomes_the_only_older_one() -> None:
    assert remember((at(5), at(2)), at(9), committed=(0, 6)) == (at(9), at(5))


def test_a_list_at_the_committed_offset_is_not_below_it() -> None:
    # The event at the committed offset is the first to be replayed: its own list cannot judge it.
    assert remember((at(5), at(2)), at(9), committed=(0, 5)) == (at(9), at(5), at(2))


def test_until_a_commit_every_list_is_kept() -> None:
    assert remember((at(5), at(2)), at(9), committed=(0, 0)) == (at(9), at(5), at(2))
    assert remember((at(7), at(5), at(3), at(2)), at(9), committed=(0, 4)) == (at(9), at(7), at(5), at(3))


def test_without_commits_the_oldest_are_given_up_at_last() -> None:
    lists: tuple[GivenList, ...] = ()
    for offset in range(2 * LISTS_MAX):
        lists = remember(lists, at(offset), committed=(0, 0))
    assert [given.offset for given in lists] == list(range(2 * LISTS_MAX - 1, LISTS_MAX - 2, -1))


@pytest.mark.parametrize("position", [(0, 5), (0, 4), (0, 9)])
def test_a_replayed_position_changes_nothing(position: tuple[int, int]) -> None:
    lists = (at(9), at(5))
    again = given_list(77, epoch=position[0], offset=position[1])
    assert remember(lists, again, committed=(0, 9)) is lists


def test_a_newer_epoch_is_newer_whatever_the_offset() -> None:
    lists = remember((at(900, epoch=1),), at(0, epoch=2), committed=(2, 0))
    assert [given.position for given in lists] == [(2, 0), (1, 900)]
    assert remember(lists, at(950, epoch=1), committed=(2, 0)) is lists


STEPS = st.lists(st.tuples(st.integers(-2, 3), st.integers(0, 3)), max_size=25)
"""Each: how far the next list's trigger is from the newest one's, and how far the commit moves up to it."""


@given(steps=STEPS, replayed_from=st.integers(0, 100))
def test_wherever_a_replay_begins_its_events_find_the_lists_that_they_had(
    steps: list[tuple[int, int]], replayed_from: int
) -> None:
    lists: tuple[GivenList, ...] = ()
    ever: dict[int, GivenList] = {}
    offset, committed = 0, 0
    for ahead, commits in steps:
        new = at(max(offset + ahead, 0))
        lists = remember(lists, new, committed=(0, committed))
        ever[lists[0].offset] = lists[0]
        assert lists[0].offset >= offset
        offset = lists[0].offset
        committed = min(committed + commits, offset)
    begin = min(max(replayed_from, committed), offset)
    newest_first = tuple(ever[at_offset] for at_offset in sorted(ever, reverse=True))
    for event in range(begin, offset + 1):
        assert judging(lists, 0, event) == judging(newest_first, 0, event)


def test_the_position_of_a_record_is_that_of_its_newest_list() -> None:
    assert lists_of_users.position(GOLDEN) == GOLDEN_LISTS[0].position
    with pytest.raises(UnknownFormat):
        lists_of_users.position(b"\2" + GOLDEN[1:])
