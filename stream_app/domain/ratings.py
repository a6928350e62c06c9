"""What a rating says as an event."""

from __future__ import annotations

LIKE_FROM = 4.0
DISLIKE_BELOW = 3.0


def type_of_rating(
    rating: float, *, like_from: float = LIKE_FROM, dislike_below: float = DISLIKE_BELOW
) -> str:
    """The event type of a rating from 1 to 5: `like` from 4 on, `dislike` below 3, else `view`."""
    if rating >= like_from:
        return "like"
    return "dislike" if rating < dislike_below else "view"
