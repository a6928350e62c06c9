"""When a log is the one that the state was made from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.domain import history
from stream_app.domain.source import SOURCE_KEY, Log, Source, difference, lost, read, source_at, write

APPLIED = source_at(2, 9, 1_700_000_000_000, b"ann", b"{}")

SOURCES = st.builds(
    Source,
    epoch=st.integers(0, 2**32 - 1),
    offset=st.integers(-1, 2**62),
    timestamp_ms=st.integers(-1, 2**62),
    crc=st.integers(0, 2**32 - 1),
)


@given(source=SOURCES)
def test_a_record_is_read_as_it_was_written_and_has_a_position(source: Source) -> None:
    assert read(write(source)) == source
    assert history.position(write(source)) == (source.epoch, source.offset)
    assert history.length(write(source)) == 0


def test_no_user_has_the_key() -> None:
    with pytest.raises(UnicodeDecodeError):
        SOURCE_KEY.decode()


def test_the_same_record_at_the_same_place_is_the_same_log() -> None:
    assert difference(APPLIED, Log(0, 10, APPLIED)) is None
    assert difference(APPLIED, Log(4, 500, APPLIED)) is None


def test_an_epoch_that_was_only_counted_otherwise_is_no_difference() -> None:
    assert difference(APPLIED, Log(0, 10, APPLIED._replace(epoch=0))) is None


@pytest.mark.parametrize("end", [0, 1, 9])
def test_a_log_that_ends_before_what_was_applied_is_another(end: int) -> None:
    assert difference(APPLIED, Log(0, end)) == f"it ends at {end}, and its record 9 was applied"


@pytest.mark.parametrize(
    "other",
    [
        source_at(2, 9, 1_700_000_000_001, b"ann", b"{}"),
        source_at(2, 9, 1_700_000_000_000, b"bob", b"{}"),
        source_at(2, 9, 1_700_000_000_000, b"ann", b"{ }"),
        source_at(2, 9, 1_700_000_000_000, b"ann", None),
    ],
)
def test_another_record_at_the_place_is_another_log(other: Source) -> None:
    assert "another record stands at 9" in (difference(APPLIED, Log(0, 50, other)) or "")


def test_what_was_deleted_tells_nothing_but_how_much_was_lost() -> None:
    assert difference(APPLIED, Log(15, 50)) is None
    assert lost(APPLIED, Log(15, 50)) == 5
    assert lost(APPLIED, Log(10, 50)) == 0
    assert lost(APPLIED, Log(3, 50, APPLIED)) == 0


def test_a_new_source_of_which_nothing_was_applied_yet_differs_from_none() -> None:
    assert difference(Source(3), Log(0, 0)) is None
