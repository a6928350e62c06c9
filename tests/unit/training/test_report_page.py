"""The page of an evaluation: whole by itself, well formed, with every figure."""

from __future__ import annotations

import copy
import math
import re
from html import escape, unescape
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.unit.training.reports import report, without
from training.evaluation.plots import Figure, Group, Series, bars, dots, lines, standalone
from training.evaluation.report_page import as_page
from training.evaluation.report_words import short
from training.evaluation.svg_parts import scale

VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in order. Keeps elements, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def drawings(page: str) -> list[ElementTree.Element]:
    """The page's drawings, each read as XML."""
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def numbers(found: Any) -> list[float]:
    """Every finite number in nested dicts and lists."""
    if isinstance(found, dict):
        return [number for value in found.values() for number in numbers(value)]
    if isinstance(found, list):
        return [number for value in found for number in numbers(value)]
    return [found] if isinstance(found, float) and math.isfinite(found) else []


HOSTILE = (
    "<script>alert(1)</script>",
    "a & b \"quoted\" 'so'",
    "很长的名字" * 30,
    "x" * 300,
    "\x00\x1b\ud800",
)


def hostile() -> dict[str, Any]:
    """A report whose every free text tries to be markup."""
    bad = HOSTILE[0]
    found = report(HOSTILE, ks=(5, 10), prequential=True)
    found |= {
        "protocol": bad,
        "definition": bad,
        "command": f"run {bad}",
        "versions": {bad: bad},
        "made_at": bad,
    }
    found["data"] |= {"source": bad, "rejected": {bad: 1}, "filters": [bad]}
    for row in found["results"]:
        row["slices"] = {bad: [{"name": bad, "events": 3, "metrics": {"ndcg@10": {"value": 0.1}}}]}
        row["skipped"] = {bad: 4}
        row["metrics"] |= {f"{bad}@10": {"value": 0.1, "low": 0.0, "high": 0.2}}
    return found | {"results": [*found["results"], without(bad, bad)]}


def bare() -> dict[str, Any]:
    """Nothing is known of any figure."""
    found = report(prequential=True)
    for at, row in enumerate(found["results"]):
        nothing = None if at % 2 else math.nan
        row["metrics"] = {name: dict.fromkeys(("value", "low", "high"), nothing) for name in row["metrics"]}
        row["beyond_accuracy"] = dict.fromkeys(row["beyond_accuracy"], nothing)
        row["users"] = row["events"] = 0
        row["against_best"] = {}
        for parts in row["slices"].values():
            for part in parts:
                part |= {"events": 0, "metrics": {"ndcg@10": dict.fromkeys(("value", "low"), nothing)}}
        for window in row["along_time"]:
            window |= {"events": 0, "metrics": {"hr@10": nothing}}
    return found


REPORTS = {
    "leave-one-out": report(),
    "prequential": report(prequential=True),
    "one model": report(("alone",), prequential=True),
    "twenty models": report(tuple(f"model {at}" for at in range(20)), ks=(5, 10, 20), prequential=True),
    "all n/a": {**report(), "results": [without("a", "the log has no times"), without("b", "no ratings")]},
    "no models": {**report(), "results": []},
    "no events": bare(),
    "empty": {},
    "hostile": hostile(),
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_well_formed_and_loads_nothing(name: str) -> None:
    page = as_page(REPORTS[name])
    page.encode()
    read = Reader(page)
    assert not {tag for tag, _ in read.elements} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "base",
        "image",
        "use",
    }
    for tag, attributes in read.elements:
        assert not {"src", "href", "srcset", "action", "xlink:href"} & set(attributes), tag
        assert not [key for key in attributes if key.startswith("on")]
    assert "@import" not in page and "url(" not in page
    for svg in drawings(page):
        assert svg.attrib["role"] == "img" and svg.attrib["aria-label"]
        figures = [value for part in svg.iter() for value in part.attrib.values() if part.tag != "svg"]
        assert not [value for value in figures if "nan" in value or "inf" in value]


@pytest.mark.parametrize("name", ["leave-one-out", "prequential", "twenty models", "hostile"])
def test_no_drawing_leaves_its_frame(name: str) -> None:
    for svg in drawings(as_page(REPORTS[name])):
        width, height = (float(size) for size in svg.attrib["viewBox"].split()[2:])
        for text in svg.iter("text"):
            assert 0 <= float(text.attrib["x"]) <= width
            assert 0 <= float(text.attrib["y"]) <= height
        for rect in svg.iter("rect"):
            assert float(rect.attrib["x"]) >= 0 and float(rect.attrib["y"]) >= 0
            assert float(rect.attrib["x"]) + float(rect.attrib["width"]) <= width


@pytest.mark.parametrize("name", ["leave-one-out", "prequential", "one model", "twenty models"])
def test_every_model_and_every_figure_is_in_the_tables(name: str) -> None:
    found = REPORTS[name]
    text = " ".join(Reader(re.sub(r"<svg.*?</svg>", "", as_page(found), flags=re.DOTALL)).text)
    for row in found["results"]:
        assert row["model"] in text
        if row["not_applicable"]:
            assert f"n/a: {row['not_applicable']}" in text
        shown = {
            key: row[key] for key in ("metrics", "over_users", "beyond_accuracy", "predictions", "slices")
        }
        for number in numbers(shown):
            assert short(number) in text
        for window in row["along_time"]:
            assert short(window["metrics"]["hr@10"]) in text


def test_what_was_run_is_on_the_page() -> None:
    found = report()
    text = " ".join(Reader(as_page(found)).text)
    for said in (found["definition"], found["command"], "torch 2.9.1", "2026-11-24 10:00 UTC", "999,611"):
        assert said in text
    for said in (*found["data"]["filters"], *found["data"]["rejected"], "3 seen before", "25 % of the users"):
        assert said in text
    assert "the log has no times" in text


def test_texts_of_the_report_are_never_markup() -> None:
    page = as_page(hostile())
    assert "<script" not in page
    assert escape(HOSTILE[0]) in page and escape(HOSTILE[1]) in page
    assert HOSTILE[3] in page
    assert "\x00" not in page and "\x1b" not in page
    headings = [tag for tag, _ in Reader(page).elements if tag == "h2"]
    assert len(headings) == 5, "accuracy, slices, time, beyond accuracy, what was run"


def test_bars_stand_highest_first_and_the_best_is_marked_by_a_sign() -> None:
    found = report()
    found["results"].reverse()
    ndcg, hr, *_ = drawings(as_page(found))
    for svg in (ndcg, hr):
        labels = [title.text or "" for title in svg.iter("title")]
        assert labels[0].startswith("attention: ★") and labels[1].startswith("session-knn: ≈")
        widths = [float(rect.attrib["width"]) for rect in svg.iter("rect")]
        assert widths == sorted(widths, reverse=True) and len(widths) == 7


def test_a_bar_is_as_long_as_its_figure() -> None:
    svg = ElementTree.fromstring(bars("t", [Figure("a", 0.2), Figure("b", 0.1), Figure("c", None)]))
    first, second = (float(rect.attrib["width"]) for rect in svg.iter("rect"))
    assert first == pytest.approx(2 * second, abs=0.2)


def test_a_slice_says_how_many_events_it_has_and_a_range_where_models_differ() -> None:
    page = as_page(report())
    assert "1–5 · 301–1,204 events" in page
    one = ElementTree.fromstring(dots("t", [Group("cold · 12 events", [Figure("a", 0.1, 0.05, 0.2)])]))
    assert "cold · 12 events: a .1000 (.0500–.2000)" in one.attrib["aria-label"]
    assert len(list(one.iter("circle"))) == 1


def test_only_prequential_has_a_section_along_time_with_each_retraining() -> None:
    assert "Along time" not in as_page(report())
    page = as_page(report(prequential=True))
    drawn = [svg for svg in drawings(page) if svg.attrib["aria-label"].startswith("HR@10 along time")]
    assert len(drawn) == 2, "one for wide windows, one for narrow ones"
    for svg in drawn:
        marks = [path for path in svg.iter("path") if path.attrib.get("class") == "retrain"]
        assert len(marks) == 4 + 1, "and one in the legend"
        assert "retrained (4 times)" in [text.text for text in svg.iter("text")]


def test_a_line_breaks_where_a_figure_is_not_known() -> None:
    points = [(0.0, 0.1), (1.0, 0.2), (2.0, None), (3.0, 0.1), (4.0, 0.2)]
    svg = ElementTree.fromstring(lines("t", [Series("a", points)]))
    line = next(path for path in svg.iter("path") if path.attrib.get("class") == "line")
    assert re.findall("[ML]", line.attrib["d"]) == ["M", "L", "M", "L"]


def test_lines_differ_in_dash_and_marker_not_in_colour_alone() -> None:
    points = [(0.0, 0.1), (1.0, 0.2)]
    svg = ElementTree.fromstring(lines("t", [Series(str(at), points) for at in range(6)]))
    dashes = [path.get("stroke-dasharray") for path in svg.iter("path") if path.get("class") == "line"]
    assert len(set(dashes)) == 6


@pytest.mark.parametrize(
    "series", [[], [Series("a", [])], [Series("a", [(5.0, None)])], [Series("a", [(5.0, 0.0)])]]
)
def test_lines_without_points_or_span_are_drawn(series: list[Series]) -> None:
    ElementTree.fromstring(lines("t", series, retrained_at_ms=[5.0, 10.0**18]))


@pytest.mark.parametrize("values", [[], [0.0], [1e-9], [0.172], [1.0], [3416.0], [-0.4, 0.2], [-3.0], [1e12]])
def test_the_scale_holds_zero_and_every_value_in_few_round_steps(values: list[float]) -> None:
    low, high, ticks = scale(values)
    assert low <= 0 <= high and low < high
    assert all(low <= value <= high * (1 + 1e-9) for value in values)
    assert 2 <= len(ticks) <= 7
    assert len({text for _, text in ticks}) == len(ticks)


def test_a_figure_over_no_events_is_not_shown_as_zero() -> None:
    found = report(("a", "b"), prequential=True)
    for row in found["results"]:
        row["slices"] = {"kind": [{"name": "none", "events": 0, "metrics": {"ndcg@10": {"value": 0.0}}}]}
        row["along_time"][3] |= {"events": 0, "metrics": {"hr@10": 0.0}}
    page = as_page(found)
    assert "none · 0 events: a –, b –" in page
    line = next(path for svg in drawings(page) for path in svg.iter("path") if path.get("class") == "line")
    assert line.attrib["d"].count("M") == 2


def test_the_drawings_of_many_models_say_that_they_show_the_best() -> None:
    page = as_page(REPORTS["twenty models"])
    assert "Drawn are the best 6 of 20 models" in unescape(page)
    assert "Drawn are" not in as_page(report(("a", "b")))


def test_a_drawing_can_be_a_file_of_its_own() -> None:
    svg = ElementTree.fromstring(standalone(bars("a & b > c", [Figure("a & b > c", 0.1)])))
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert svg.attrib["aria-label"].startswith("a & b > c")


def test_making_the_page_leaves_the_report_as_it_was() -> None:
    found = report(prequential=True)
    before = copy.deepcopy(found)
    assert as_page(found) == as_page(before)
    assert found == before
