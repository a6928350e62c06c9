"""Every rival by the name that a person asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from models.encoder_config import Attention, EncoderConfig
from training.dataset import HistoryRules
from training.evaluation.recommender import Recommender
from training.fit_config import FitConfig

ItemFields = Mapping[str, Mapping[str, Any]]
"""Title, categories and whatever else is known, by item id."""

_TOLD = "-target-time"
"""Behind the name of a model that is told when its target came: no table shall take it for ours."""
_POPULARITY = re.compile(r"popularity-(decayed-)?(\d+(?:\.\d+)?)d")


@dataclass(frozen=True, kw_only=True)
class RivalParts:
    """What rivals are made of; each takes what it needs."""

    rules: HistoryRules = field(default_factory=HistoryRules)
    fit: FitConfig = field(default_factory=FitConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    items: ItemFields = field(default_factory=dict)
    seed: int = 0
    k_limit: int = 100
    show_progress: bool = False
    say: Callable[[str], None] = lambda line: None


def _random(parts: RivalParts) -> Recommender:
    from training.rivals.random import Random

    return Random(seed=parts.seed)


def _popularity(parts: RivalParts) -> Recommender:
    from training.rivals.popularity import Popularity

    return Popularity()


def _content(parts: RivalParts) -> Recommender:
    from training.rivals.content import ContentBased

    return ContentBased(parts.items)


def _user_knn(parts: RivalParts) -> Recommender:
    from training.rivals.user_knn import UserKNN

    return UserKNN()


def _item_knn(parts: RivalParts) -> Recommender:
    from training.rivals.item_knn import ItemKNN

    return ItemKNN()


def _item_knn_recent(parts: RivalParts) -> Recommender:
    from training.rivals.item_knn import ItemKNN

    return ItemKNN(neighbours=200, half_life=2.0)


def _session_knn(parts: RivalParts) -> Recommender:
    from training.rivals.session_knn import SessionKNN

    return SessionKNN()


def _als(parts: RivalParts) -> Recommender:
    from training.rivals.als import ALS

    return ALS(seed=parts.seed)


def _biased_mf(parts: RivalParts) -> Recommender:
    from training.rivals.biased_mf import BiasedMF

    return BiasedMF(seed=parts.seed)


def _neumf(parts: RivalParts) -> Recommender:
    from training.rivals.neumf import NeuMF

    return NeuMF(seed=parts.seed)


def _attention_cf(parts: RivalParts) -> Recommender:
    from training.rivals.attention_cf import AttentionCF

    return AttentionCF(seed=parts.seed)


def _category_popularity(parts: RivalParts) -> Recommender:
    from training.rivals.category_popularity import CategoryPopularity

    return CategoryPopularity(parts.items)


def _attention(parts: RivalParts) -> Recommender:
    return _encoder(parts, name="attention", items=parts.items)


def _attention_ids(parts: RivalParts) -> Recommender:
    return _encoder(parts, name="attention-ids", items={})


def _encoder(
    parts: RivalParts, *, name: str, items: ItemFields, attention: Attention | None = None
) -> Recommender:
    from training.item_rows import items_of_rows
    from training.rivals.encoder import AttentionEncoder

    attention = attention or parts.encoder.attention
    told = parts.encoder.query_time == "target"
    return AttentionEncoder(
        name=f"{name}{_TOLD}" if told else name,
        items=items_of_rows(items),
        rules=parts.rules,
        config=parts.fit,
        encoder=replace(parts.encoder, max_length=parts.rules.max_length, attention=attention),
        k_limit=parts.k_limit,
        show_progress=parts.show_progress,
        say=parts.say,
    )


# Each imports its own file when it is asked for: torch and scikit-learn take seconds.
_MAKERS: Mapping[str, Callable[[RivalParts], Recommender]] = {
    "attention": _attention,
    "attention-ids": _attention_ids,
    "category-popularity": _category_popularity,
    "popularity": _popularity,
    "content": _content,
    "user-knn": _user_knn,
    "item-knn": _item_knn,
    "item-knn-recent": _item_knn_recent,
    "session-knn": _session_knn,
    "als": _als,
    "biased-mf": _biased_mf,
    "neumf": _neumf,
    "attention-cf": _attention_cf,
    "random": _random,
}

ALL = (
    "attention", "item-knn-recent", "session-knn", "item-knn", "user-knn", "als", "attention-cf", "neumf",
    "biased-mf", "content", "category-popularity", "popularity", "popularity-7d", "popularity-decayed-30d",
    "random",
)  # fmt: skip
"""What `all` stands for."""


FAMILY: Mapping[str, Attention] = {f"attention-{one}": one for one in get_args(Attention)}
"""The encoder with each attention of its family."""


def is_rival(name: str) -> bool:
    """Whether there is a rival of this name; popularity takes days: popularity-7d, popularity-decayed-30d."""
    match = _POPULARITY.fullmatch(name)
    return name in _MAKERS or name in FAMILY or (match is not None and float(match[2]) > 0)


def rival_named(name: str, parts: RivalParts) -> Recommender:
    """The rival of this name, not yet fitted. Raises KeyError where there is none."""
    if match := _POPULARITY.fullmatch(name):
        from training.rivals.popularity import Popularity

        days = float(match[2])
        return Popularity(half_life_days=days) if match[1] else Popularity(days=days)
    if name in FAMILY:
        return _encoder(parts, name=name, items=parts.items, attention=FAMILY[name])
    return _MAKERS[name](parts)
