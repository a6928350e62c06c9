"""What is on users' disks and in their changelogs: each format that ever was is read, today's is written."""

from __future__ import annotations

import pytest

from stream_app.domain import history, lists
from tests.golden import FOLDER, GOLDEN_LISTS, golden_files


@pytest.mark.parametrize("number", range(1, history.FORMAT + 1))
def test_a_history_of_every_format_is_read(number: int) -> None:
    record = (FOLDER / f"history-{number}.bin").read_bytes()
    assert record[0] == number
    assert history.header(record)[1:] == (3, 12, 1_700_000_100_000, 1_699_999_999_999)
    assert [tuple(entry) for entry in history.entries(record)] == [
        (0x0102030405060708, 1_700_000_000_000, 1),
        (0xFFFFFFFFFFFFFFFF, 1_700_000_100_000, 5),
        (0x8000000000000001, 1_699_999_999_999, 2),
    ]


@pytest.mark.parametrize("number", range(1, lists.FORMAT + 1))
def test_lists_of_every_format_are_read(number: int) -> None:
    record = (FOLDER / f"lists-{number}.bin").read_bytes()
    assert record[0] == number
    assert lists.read(record) == GOLDEN_LISTS


def test_what_is_written_today_is_what_the_files_hold_to_the_byte() -> None:
    """A change of the bytes without a new format number would be read wrongly by workers still running."""
    for name, content in golden_files().items():
        assert (FOLDER / name).read_bytes() == content, name
