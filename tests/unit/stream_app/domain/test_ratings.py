from __future__ import annotations

import pytest

from stream_app.domain.ratings import type_of_rating


@pytest.mark.parametrize(
    ("rating", "kind"),
    [(0.5, "dislike"), (2.99, "dislike"), (3.0, "view"), (3.5, "view"), (4.0, "like"), (5.0, "like")],
)
def test_four_and_above_is_a_like_and_below_three_a_dislike(rating: float, kind: str) -> None:
    assert type_of_rating(rating) == kind
