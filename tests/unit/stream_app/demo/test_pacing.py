from __future__ import annotations

import pytest

from stream_app.demo.pacing import (
    BEFORE_FIRST_MODEL,
    BEFORE_SECOND_MODEL,
    UNTIL_RETRAINING,
    Stage,
    events_per_second,
)


def sent_after(stage: Stage, *, seconds: float, sent: float, total: int, at_most: float) -> float:
    for _ in range(round(seconds * 10)):
        sent += events_per_second(stage, sent=int(sent), total=total, at_most=at_most) / 10
    return sent


@pytest.mark.parametrize("total", [100, 2_000, 20_001])
def test_events_are_left_for_a_model_however_long_it_learns(total: int) -> None:
    hour = {"seconds": 3600.0, "total": total, "at_most": 150.0}
    first = sent_after(Stage.FIRST_TRAINING, sent=0, **hour)
    assert 0 < first <= BEFORE_FIRST_MODEL * total + 1
    second = sent_after(Stage.RETRAINING, sent=UNTIL_RETRAINING * total, **hour)
    assert UNTIL_RETRAINING * total < second <= BEFORE_SECOND_MODEL * total + 1


def test_events_flow_while_a_model_learns_for_a_minute() -> None:
    later = sent_after(Stage.RETRAINING, seconds=60, sent=5_250, total=15_000, at_most=150.0)
    assert later > 5_250 + 3_000


@pytest.mark.parametrize("stage", Stage)
def test_the_set_speed_is_never_exceeded(stage: Stage) -> None:
    assert events_per_second(stage, sent=0, total=20_001, at_most=10.0) <= 10.0


@pytest.mark.parametrize("stage", [Stage.SERVING, Stage.SWAPPED, Stage.KEPT])
def test_where_no_model_is_awaited_the_set_speed_holds(stage: Stage) -> None:
    assert events_per_second(stage, sent=19_000, total=20_001, at_most=150.0) == 150.0
