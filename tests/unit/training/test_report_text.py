"""The terminal's table of an evaluation."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from rich.cells import cell_len

from tests.unit.training.reports import MODELS, against, figure, report, result, without
from training.evaluation.report_figures import marks
from training.evaluation.report_reading import judged_lines, reading
from training.evaluation.report_text import WIDTH, as_table
from training.evaluation.report_words import (
    interval,
    listed,
    moment,
    short,
    with_interval,
)


def lines_of(model: str, text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(model + " ")]


def three(*ndcgs: float) -> dict[str, Any]:
    """A report of models a, b, c … that were all tested against the highest."""
    names = "abcdefgh"[: len(ndcgs)]
    best = max(zip(ndcgs, names, strict=True))
    rows = [
        result(name, ndcg, ks=[10], best=(best[1], best[0]), prequential=False)
        for name, ndcg in zip(names, ndcgs, strict=True)
    ]
    return {**report(()), "results": rows}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.17204, ".1720"),
        (0.99996, "1.0000"),
        (0, "0"),
        (0.00001, "<.0001"),
        (-0.0213, "−.0213"),
        (1.2, "1.200"),
        (9.1234, "9.123"),
        (12.3456, "12.35"),
        (123456.7, "123,457"),
        (math.nan, "–"),
        (math.inf, "–"),
        (None, "–"),
        ("x", "–"),
        (True, "–"),
    ],
)
def test_a_figure_has_four_digits_and_an_unknown_one_a_dash(value: object, text: str) -> None:
    assert short(value) == text


def test_an_interval_with_an_unknown_end_is_left_out() -> None:
    assert interval(0.1, 0.2) == "(.1000–.2000)"
    assert with_interval({"value": 0.15, "low": None, "high": 0.2}) == ".1500"
    assert with_interval({"value": math.nan, "low": 0.1, "high": 0.2}) == "–"
    assert with_interval(0.15) == ".1500"


def test_a_time_is_written_in_utc_and_one_beyond_the_calendar_as_ms() -> None:
    assert moment(0) == "1970-01-01 00:00 UTC"
    assert moment(10**18) == "1000000000000000000 ms"


def test_names_are_listed_as_one_says_them() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefg"), most=3) == "a, b and 5 more"


def test_every_model_stands_with_its_figures_and_intervals() -> None:
    found = report()
    text = as_table(found)
    for row in found["results"]:
        (line, *_) = lines_of(row["model"], text)
        for metric in ("hr@10", "ndcg@10", "mrr@10") if row["metrics"] else ():
            assert with_interval(row["metrics"][metric]) in line


def test_the_best_is_marked_and_what_is_within_noise_of_it() -> None:
    text = as_table(report())
    assert lines_of("attention", text)[0].count("★") == 3
    assert lines_of("session-knn", text)[0].count("≈") == 2, "HR and NDCG were tested, MRR was not"
    assert not set("★≈") & set(lines_of("item-knn", text)[0])
    assert "not tested, ★ is just the highest: MRR@10" in text


def test_models_stand_in_the_order_of_ndcg_with_those_that_do_not_apply_last() -> None:
    found = report()
    found["results"].reverse()
    text = as_table(found).split("\n\n")[1]
    assert [line.split("  ")[0] for line in text.splitlines()[1:]] == [
        *(name for name in MODELS if name != "popularity 7 days"),
        "popularity 7 days",
    ]


def test_a_model_that_does_not_apply_says_why() -> None:
    (line,) = lines_of("popularity 7 days", as_table(report()))
    assert line.endswith("n/a: the log has no times")


def test_one_k_fits_the_terminal_whatever_the_names() -> None:
    names = tuple(f"{at}: {'a very long name, 很长的名字, ' * 5}" for at in range(20))
    text = as_table(report(names))
    tables = [block for block in text.split("\n\n") if block.startswith("model ")]
    assert len(tables) == 3
    assert max(cell_len(line) for block in tables for line in block.splitlines()) <= WIDTH
    assert all(f"\n{at}: a very" in text for at in range(20))


def test_several_k_have_a_block_each() -> None:
    text = as_table(report(ks=(5, 20)))
    assert len(lines_of("attention", text)) == 5, "accuracy and beyond at two k, predictions"
    assert "NDCG@5" in text and "NDCG@20" in text
    assert max(map(cell_len, text.splitlines())) <= WIDTH


def test_what_was_judged_and_left_out_is_said_and_who_was_judged_on_a_sample() -> None:
    lines = judged_lines(report())
    assert lines == [
        "attention, item-knn, als, neumf and 2 more: 6,040 events of 6,040 users judged; "
        "left out: 3 seen before",
        "session-knn: 1,510 events of 1,510 users judged (a sample: 25 % of the users); "
        "left out: 3 seen before",
    ]
    text = as_table(report())
    assert "rejected rows: 2 no item" in text
    assert "filter: 5-core: 6,034 users" in text


def test_the_reading_names_the_best_the_noise_and_the_nearest_behind() -> None:
    assert reading(report()) == (
        "attention is best by NDCG@10: .1720 (.1640–.1800). "
        "session-knn (on 25 % of the users) is within noise of it. "
        "The rest are behind by more than noise; the nearest is item-knn, by .0210 (.0150–.0270)."
    )
    assert reading(three(0.2, 0.1)) == (
        "a is best by NDCG@10: .2000 (.1920–.2080). b is behind by more than noise, by .1000 (.0940–.1060)."
    )
    assert "b and c are within noise of it." in reading(three(0.2, 0.199, 0.198))


def test_without_a_test_nothing_is_said_of_noise() -> None:
    found = three(0.2, 0.199)
    for row in found["results"]:
        row["against_best"] = {}
    assert reading(found).endswith("Not tested against it, so noise is not ruled out: b.")
    assert "no paired test was made" in as_table(found)
    assert "≈" not in as_table(found)


def test_the_best_of_the_test_is_the_best_even_where_another_figure_is_higher() -> None:
    found = three(0.2, 0.1)
    sampled = result("sampled", 0.25, ks=[10], best=("a", 0.2), prequential=False)
    sampled["against_best"] = {}
    found["results"].append(sampled)
    assert marks(found["results"], "ndcg@10") == ["★", "", ""]
    assert reading(found).startswith("a is best by NDCG@10")
    assert "noise is not ruled out: sampled" in reading(found)


def test_another_best_by_hit_rate_is_told() -> None:
    found = three(0.2, 0.199)
    a, b = found["results"]
    b["metrics"]["hr@10"] = figure(0.9)
    a["against_best"]["hr@10"] = against("b", 0.5, [10])["hr@10"]
    b["against_best"]["hr@10"] = against("b", 0.0, [10])["hr@10"]
    assert reading(found).endswith("By HR@10 the best is b.")


def test_one_model_has_no_mark() -> None:
    text = as_table(three(0.2))
    assert "★" not in text
    assert "a reaches NDCG@10 .2000 (.1920–.2080). No other model has a figure to compare it with." in text


def test_nothing_judged_is_said_and_not_shown_as_zero() -> None:
    assert reading({**report(), "results": []}) == "No model was evaluated."
    none = {**report(), "results": [without("a", "the log has no times"), without("b", "no ratings")]}
    assert reading(none) == "No model could be judged: the log has no times; no ratings."
    assert "n/a: no ratings" in as_table(none)
    empty = three(0.2, 0.1)
    for row in empty["results"]:
        row["events"] = row["users"] = 0
        row["metrics"] = {name: dict.fromkeys(("value", "low", "high"), math.nan) for name in row["metrics"]}
    assert reading(empty) == "No event was judged, so there is no figure to read."
    assert "0 events of 0 users judged" in as_table(empty)
    zero = three(0.2, 0.1)
    for row in zero["results"]:
        row["events"] = 0
        row["metrics"] = {name: figure(0.0, 0.0) for name in row["metrics"]}
    assert reading(zero) == reading(empty)
    assert ".2000" not in as_table(empty) and "nan" not in as_table(empty)


def test_a_report_that_lacks_parts_is_still_a_table() -> None:
    assert as_table({}) == "?: No model was evaluated."
    bare = {"protocol": "temporal", "results": [{"model": "a", "metrics": {"hr@10": {"value": 0.1}}}]}
    assert ".1000" in as_table(bare)


def test_a_name_cannot_steer_the_terminal() -> None:
    found = three(0.2, 0.1)
    found["results"][0]["model"] = "a\x1b[2J\nb\x00"
    assert "\x1b" not in as_table(found) and "\x00" not in as_table(found)
    assert "a�[2J�b�" in as_table(found)


def test_the_report_is_not_changed() -> None:
    found = report()
    before = copy.deepcopy(found)
    as_table(found)
    assert found == before
