"""An item's texts as tokens: what of them is looked up in a table of hashes, the same online and offline."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from xxhash import xxh3_64_intdigest

PADDING = 0
"""The token that is none."""

_LONGEST_TEXT = 2_000
"""Characters of a text that are read; what tells of an item stands at its beginning."""

_N = 3
_KEPT = ("L", "M", "N", "So", "Sk")
"""Letters, marks, numbers and symbols such as emoji make words, by Unicode's general category."""


class _WordCharacters(dict[int, str]):
    """Code point → itself where it is part of a word, nothing where it is invisible, else a blank."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        category = unicodedata.category(character)
        # Joiners and direction marks ("Cf") lie within words.
        outside = "" if category == "Cf" else " "
        self[point] = kept = character if category.startswith(_KEPT) else outside
        return kept


_word_characters = _WordCharacters()


def token(field: str, text: str, *, buckets: int) -> int:
    """The token of `text` in a field, 1 to `buckets`: of xxh3-64 over both, so that fields share none."""
    return xxh3_64_intdigest(f"{field}\x1f{text}".encode(errors="surrogatepass")) % buckets + 1


def normalised(text: str) -> str:
    """The text as it is compared: Unicode's NFKC form, case folded, blanks at the ends taken off."""
    return unicodedata.normalize("NFKC", text[:_LONGEST_TEXT]).casefold().strip()


def words(text: str) -> list[str]:
    """The words of a text of any script, in order, each once; emoji count as letters do."""
    return list(dict.fromkeys(normalised(text).translate(_word_characters).split()))


def text_parts(text: str) -> Iterator[str]:
    """The words of a text, then the runs of three characters within each, its ends marked with < and >.

    So a title of a script without blanks, or a word that nobody has used yet, has parts in common with others
    (Bojanowski et al., Enriching Word Vectors with Subword Information, 2017).
    """
    found = words(text)
    yield from found
    for word in found:
        marked = f"<{word}>"
        for start in range(len(marked) - _N + 1):
            yield f"{_N}:{marked[start : start + _N]}"
