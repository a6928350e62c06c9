from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle.item_tokens import text_parts, token, words

ANY_TEXT = st.text(alphabet=st.characters(), max_size=60)


def test_the_token_of_a_word_never_changes() -> None:
    # A trained table is looked up by it: another value would give every item another's vector.
    assert token("title", "alien", buckets=4096) == 3182
    assert token("categories", "комедия", buckets=4096) == 1726


@given(field=ANY_TEXT, text=ANY_TEXT, buckets=st.integers(1, 1 << 20))
def test_tokens_are_never_padding(field: str, text: str, buckets: int) -> None:
    assert 1 <= token(field, text, buckets=buckets) <= buckets


@given(text=ANY_TEXT)
def test_parts_of_any_text_are_words_then_runs_of_three(text: str) -> None:
    parts, found = list(text_parts(text)), words(text)
    assert parts[: len(found)] == found
    assert all(part.startswith("3:") and len(part) == 5 for part in parts[len(found) :])
    assert all(word and not any(character.isspace() for character in word) for word in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Star Wars: Episode IV (1977)", ["star", "wars", "episode", "iv", "1977"]),
        ("ＦＵＬＬ　width", ["full", "width"]),
        ("STRASSE Straße", ["strasse"]),
        ("ألف ليلة وليلة", ["ألف", "ليلة", "وليلة"]),
        ("西遊記 大鬧天宮", ["西遊記", "大鬧天宮"]),
        ("हिन्दी सिनेमा", ["हिन्दी", "सिनेमा"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("🎬 night", ["🎬", "night"]),
        ("...!?—", []),
        ("", []),
    ],
)
def test_words_of_every_script(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_runs_of_three_of_a_word_by_hand() -> None:
    assert list(text_parts("ab abc")) == ["ab", "abc", "3:<ab", "3:ab>", "3:<ab", "3:abc", "3:bc>"]
    assert list(text_parts("西")) == ["西", "3:<西>"]


def test_half_a_surrogate_pair_is_hashed_like_any_character() -> None:
    assert 1 <= token("title", "\ud83c", buckets=64) <= 64
