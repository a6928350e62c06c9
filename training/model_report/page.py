"""`millstream models show VERSION --report`: one page about one version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.items import BundleItems
from models.bundle.manifest import Manifest
from training.evaluation.attention_maps import AttentionMap
from training.evaluation.heat_maps import MEANING, heat_map
from training.evaluation.page_frame import html_page, section
from training.evaluation.plots import Figure, bars
from training.evaluation.report_tables import safe, table
from training.evaluation.report_words import counted, metric_label, moment, short
from training.model_report.curves import curve
from training.model_report.item_map import MAPPED, item_map

_NEIGHBOURS_OF = 12
_NEIGHBOURS = 5


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is told of a version.

    fields         title, categories and whatever else is known, by item id
    maps           attention of real users; empty where no log was given
    field_names    F names, and `field_weights` float32 [items, F] in the order of the vocabulary; None for a
                   model that does not look at fields
    """

    manifest: Manifest
    items: BundleItems
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    maps: Sequence[AttentionMap] = ()
    field_names: Sequence[str] = ()
    field_weights: NDArray[np.float32] | None = None

    def title(self, item_id: str) -> str:
        """What people call it, or its id."""
        return str(self.fields.get(item_id, {}).get("title") or item_id)

    def kind(self, item_id: str) -> str | None:
        """Its first category."""
        categories = self.fields.get(item_id, {}).get("categories")
        return str(categories[0]) if isinstance(categories, list | tuple) and categories else None


def as_page(facts: ModelFacts) -> str:
    """The page's HTML; it stands alone, and every name and title is escaped."""
    manifest = facts.manifest
    title = f"Model {manifest.version}"
    return html_page(
        title,
        [
            f"<h1>{safe(title)}</h1>",
            f'<p class="dim">made {moment(manifest.created_at)}</p>',
            section("What it is", [_what(manifest)]),
            section("How it learnt", [_curves(manifest)]),
            section("Where it looks", [*_looks(facts)]),
            section("How items lie", [_map(facts), _neighbours(facts)]),
            section("What fields count", [_field_weights(facts)]),
        ],
    )


def _what(manifest: Manifest) -> str:
    window = manifest.training_window
    size = sum(manifest.sizes.values())
    figures = ", ".join(f"{metric_label(name)} {short(value)}" for name, value in manifest.metrics.items())
    facts = {
        "Learnt from": f"{counted(window.interactions)} interactions of {counted(window.users)} users",
        "From, to": f"{moment(window.first_timestamp)} to {moment(window.last_timestamp)}"
        if window.first_timestamp is not None
        and window.last_timestamp is not None
        and window.first_timestamp < window.last_timestamp  # else the log told the order alone
        else "",
        "Items": counted(manifest.item_count),
        "Reads": f"the newest {manifest.max_length} events of a history; vectors of {manifest.width}",
        "Context": "none"
        if manifest.context_fields is None
        else ", ".join(["hour", "weekday", *manifest.context_fields]),
        "Targets": ", ".join(manifest.positive_types),
        "Figures": f"{figures} ({manifest.protocol})" if figures else "",
        "Parent": manifest.parent or "",
        "Size": f"{size / 1e6:.1f} MB",
        "Made with": ", ".join(f"{name} {version}" for name, version in manifest.packages.items()),
        "Commit": manifest.git_commit or "",
    }
    told = [(name, text) for name, text in facts.items() if text]
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{safe(text)}</dd>" for name, text in told)
    return f"<dl>{listed}</dl>"


def _curves(manifest: Manifest) -> str:
    drawn = [
        curve(name if name == "loss" else metric_label(name), figures, style=style, from_zero=name != "loss")
        for style, (name, figures) in enumerate(manifest.learning_curve.items())
        if figures
    ]
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else ""


def _looks(facts: ModelFacts) -> list[str]:
    if not facts.maps:
        return ["<p>Name a log with --data to see the attention of real users.</p>"]
    drawn = [
        heat_map(f"User {one.user}", [facts.title(item) for item in one.items], matrix)
        for one in facts.maps
        for matrix in one.maps.values()
    ]
    return [
        MEANING,
        f'<div class="charts">{"".join(drawn)}</div>',
    ]


def _map(facts: ModelFacts) -> str:
    shown = facts.items.vocabulary.item_ids[:MAPPED]
    if len(shown) < 2:
        return ""
    return item_map(
        facts.items.vectors[1 : len(shown) + 1],
        [facts.title(item) for item in shown],
        [facts.kind(item) for item in shown],
    )


def _neighbours(facts: ModelFacts) -> str:
    """The nearest of the most frequent items, by the cosine of their vectors."""
    count = len(facts.items.vocabulary)
    vectors = facts.items.vectors[1 : count + 1]
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    rows = []
    for row in range(min(_NEIGHBOURS_OF, count)):
        alike = unit @ unit[row]
        alike[row] = -np.inf
        nearest = np.argsort(-alike, kind="stable")[: min(_NEIGHBOURS, count - 1)]
        names = [facts.title(facts.items.vocabulary.item_ids[one]) for one in nearest.tolist()]
        rows.append((facts.title(facts.items.vocabulary.item_ids[row]), [safe(name) for name in names]))
    heads = ["item", *(f"{place}." for place in range(1, _NEIGHBOURS + 1))]
    return table("Nearest neighbours of the most frequent items", heads, rows)


def _field_weights(facts: ModelFacts) -> str:
    if facts.field_weights is None:
        return ""
    mean = facts.field_weights.mean(0)
    drawn = bars(
        "Mean weight of a field in an item's vector",
        [Figure(name=name, value=float(value)) for name, value in zip(facts.field_names, mean, strict=True)],
    )
    rows = [
        (facts.title(item), [f"{weight:.0%}" for weight in facts.field_weights[row]])
        for row, item in enumerate(facts.items.vocabulary.item_ids[:_NEIGHBOURS_OF])
    ]
    return f'<div class="charts">{drawn}</div>' + table(
        "Weights of the most frequent items", ["item", *facts.field_names], rows
    )
