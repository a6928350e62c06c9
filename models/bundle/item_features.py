"""What is told of items, as the arrays that `item_tower.onnx` takes; the same code online and offline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bundle.item_tokens import PADDING, normalised, text_parts, token

CATEGORIES, TITLE, DOMAIN, NUMBERS, EMBEDDING = "categories", "title", "domain", "numbers", "embedding"
FEATURE_PREFIX = "features."
"""A text feature's field is called by its name behind this, so that no feature passes for another field."""

_FURTHEST = 10.0
"""Standard deviations from the mean at which a number is cut: one wrong price must not fill a vector."""

_LARGEST = 1e30
"""A number beyond it has no place in float32 arithmetic: it is missing, like one that is not finite."""

_LEAST_SHARE, _MOST_TEXTS, _MOST_NUMBERS = 0.01, 16, 64
"""A feature of fewer items teaches nothing; and an item with a thousand features must not make a thousand
fields."""

_MOST_TOKENS, _LEAST_BUCKETS, _MOST_BUCKETS = 48, 1 << 10, 1 << 14


class ItemFields(Protocol):
    """What is read of an item; `stream_app.domain.messages.Item` is one."""

    @property
    def title(self) -> str | None: ...
    @property
    def domain(self) -> str | None: ...
    @property
    def categories(self) -> Sequence[str]: ...
    @property
    def features(self) -> Mapping[str, str | float]: ...
    @property
    def embedding(self) -> Sequence[float] | None: ...


class NumberScale(msgspec.Struct, frozen=True, kw_only=True):
    """A number among the features and how it is standardised: (value − mean) / scale."""

    name: str
    mean: float = 0.0
    scale: float = 1.0


class FeatureSchema(msgspec.Struct, frozen=True, kw_only=True):
    """Which fields a model reads of an item.

    fields   F names in order: of categories, title, domain, `features.…` (texts), numbers, embedding
    tokens   M: a field's tokens beyond so many are cut off
    buckets  tokens are 1 to this
    numbers  the P numbers, together one field
    embedding_length  A
    The arrays have at least one column for numbers and one for the embedding, of zeros where there is none.
    """

    fields: tuple[str, ...]
    tokens: int
    buckets: int
    numbers: tuple[NumberScale, ...] = ()
    embedding_length: int = 0

    @property
    def number_width(self) -> int:
        """P, and 1 where there is no number: no graph has an input without columns."""
        return max(len(self.numbers), 1)

    @property
    def embedding_width(self) -> int:
        """A, and 1 where there is no embedding."""
        return max(self.embedding_length, 1)


@dataclass(frozen=True, kw_only=True)
class ItemInputs:
    """The inputs of the tower for n items.

    field_tokens  int32 [n, F, M], 0 = none; those of numbers and embedding are 0
    numbers       float32 [n, P], standardised, within ±10; 0 where missing
    embedding     float32 [n, A], as given; 0 where missing
    field_mask    bool [n, F], which fields an item has
    ignored       what was given and not read, by reason
    """

    field_tokens: NDArray[np.int32]
    numbers: NDArray[np.float32]
    embedding: NDArray[np.float32]
    field_mask: NDArray[np.bool_]
    ignored: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.field_mask)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The four in the order of the graph's inputs."""
        return self.field_tokens, self.numbers, self.embedding, self.field_mask


def item_inputs(items: Sequence[ItemFields], schema: FeatureSchema) -> ItemInputs:
    """Encode items, each a row; one of whose fields nothing is known has an all-false mask.

    Numbers that are not finite are missing. So is an embedding of another length than A, or with a value that
    is not finite. Both are counted in `ignored`.
    """
    count, places = len(items), {name: place for place, name in enumerate(schema.fields)}
    tokens = np.full((count, len(places), schema.tokens), PADDING, dtype=np.int32)
    numbers = np.zeros((count, schema.number_width), dtype=np.float32)
    embedding = np.zeros((count, schema.embedding_width), dtype=np.float32)
    mask = np.zeros((count, len(places)), dtype=np.bool_)
    ignored = Counter[str]()
    # Catalogues repeat themselves: a part is hashed once.
    hashed: dict[tuple[str, str], int] = {}
    for row, item in enumerate(items):
        for name, parts in _texts(item):
            if (place := places.get(name)) is None:
                continue
            found = _distinct(parts, most=schema.tokens)
            for column, part in enumerate(found):
                if (code := hashed.get((name, part))) is None:
                    code = hashed[name, part] = token(name, part, buckets=schema.buckets)
                tokens[row, place, column] = code
            mask[row, place] = bool(found)
        if (place := places.get(NUMBERS)) is not None:
            mask[row, place] = _standardise(item, schema, numbers[row], ignored)
        if (place := places.get(EMBEDDING)) is not None and item.embedding is not None:
            mask[row, place] = _copy_embedding(item.embedding, embedding[row], ignored)
    return ItemInputs(
        field_tokens=tokens, numbers=numbers, embedding=embedding, field_mask=mask, ignored=dict(ignored)
    )


def learn_schema(items: Iterable[ItemFields]) -> FeatureSchema:
    """The fields that occur among `items`, and the sizes that fit them.

    M holds the longest field, up to 48 tokens; there are four buckets for each different token, 1,024 to
    16,384 of them; A is the most frequent length of an embedding. A feature that fewer than one item in a
    hundred has is left out. Without any field `fields` is empty.
    """
    items = list(items)
    longest, seen = Counter[str](), set[tuple[str, str]]()
    texts, lengths = Counter[str](), Counter[int]()
    values: dict[str, list[float]] = {}
    for item in items:
        for name, parts in _texts(item):
            found = _distinct(parts, most=_MOST_TOKENS)
            if found:
                texts[name] += 1
                longest[name] = max(longest[name], len(found))
                seen.update((name, part) for part in found)
        for name, value in item.features.items():
            if (number := _number(value)) is not None:
                values.setdefault(name, []).append(number)
        if item.embedding:
            lengths[len(item.embedding)] += 1
    least = max(_LEAST_SHARE * len(items), 1)
    features = {name: times for name, times in texts.items() if name.startswith(FEATURE_PREFIX)}
    kept_features = _most_frequent(features, least=least, most=_MOST_TEXTS)
    numbers = _most_frequent(
        {name: len(given) for name, given in values.items()}, least=least, most=_MOST_NUMBERS
    )
    fields = [name for name in (CATEGORIES, TITLE, DOMAIN) if texts[name]] + kept_features
    most_tokens = max((longest[name] for name in fields), default=1)
    different = sum(name in fields for name, _ in seen)
    return FeatureSchema(
        fields=(*fields, *([NUMBERS] if numbers else []), *([EMBEDDING] if lengths else [])),
        tokens=most_tokens,
        buckets=min(max(1 << (4 * different).bit_length(), _LEAST_BUCKETS), _MOST_BUCKETS),
        numbers=tuple(_scale(name, values[name]) for name in numbers),
        embedding_length=lengths.most_common(1)[0][0] if lengths else 0,
    )


def _texts(item: ItemFields) -> Iterator[tuple[str, Iterator[str]]]:
    """Field and parts of each text of an item."""
    if item.categories:
        yield CATEGORIES, filter(None, map(normalised, item.categories))
    if item.title:
        yield TITLE, text_parts(item.title)
    if item.domain:
        yield DOMAIN, filter(None, (normalised(item.domain),))
    for name, value in item.features.items():
        if isinstance(value, str):
            # As a whole, too: two authors may share a first name.
            whole = filter(None, (normalised(value),))
            yield FEATURE_PREFIX + name, chain((f"={one}" for one in whole), text_parts(value))


def _distinct(parts: Iterable[str], *, most: int) -> list[str]:
    """The first parts, each once."""
    found: dict[str, None] = {}
    for part in parts:
        found[part] = None
        if len(found) == most:
            break
    return list(found)


def _number(value: object) -> float | None:
    if isinstance(value, str) or not isinstance(value, int | float):
        return None
    # Compared before it is converted: an int may be too large for a float.
    return float(value) if -_LARGEST <= value <= _LARGEST else None


def _standardise(
    item: ItemFields, schema: FeatureSchema, out: NDArray[np.float32], ignored: Counter[str]
) -> bool:
    found = False
    for column, scale in enumerate(schema.numbers):
        value = item.features.get(scale.name)
        if value is None or isinstance(value, str):
            continue
        if (number := _number(value)) is None:
            ignored["number not finite"] += 1
            continue
        out[column] = min(max((number - scale.mean) / scale.scale, -_FURTHEST), _FURTHEST)
        found = True
    return found


def _copy_embedding(given: Sequence[float], out: NDArray[np.float32], ignored: Counter[str]) -> bool:
    if len(given) != len(out):
        ignored["embedding of another length"] += 1
        return False
    if any(_number(value) is None for value in given):
        ignored["embedding not finite"] += 1
        return False
    out[:] = given
    return True


def _most_frequent(times: Mapping[str, int], *, least: float, most: int) -> list[str]:
    frequent = sorted((name for name in times if times[name] >= least), key=lambda name: (-times[name], name))
    return sorted(frequent[:most])


def _scale(name: str, values: Sequence[float]) -> NumberScale:
    # Of the inner 98 %, so that a few wrong ones do not set the scale.
    low, high = np.quantile(values, (0.01, 0.99))
    inner = np.clip(values, low, high)
    deviation = float(inner.std())
    mean = float(inner.mean())
    # Equal values differ by rounding alone.
    told = deviation > 1e-9 * abs(mean)
    return NumberScale(name=name, mean=mean, scale=deviation if told else 1.0)
