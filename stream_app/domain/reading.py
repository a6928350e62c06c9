"""For readers of recommendations: which lists are news.

A worker that crashed sends again what it had sent since its last commit. A list that is not newer than the
newest seen of its user and partition is such a repetition, or older than what is shown already.
"""

from __future__ import annotations

from collections import OrderedDict

Position = tuple[int, int]


class NewestTriggers:
    """Remembers the newest trigger of each user, for at most `limit` users of each partition.

    Forgotten are those whose last list is the longest ago. A repetition is told for certain as long as fewer
    than `limit` other users of its partition had a list between the first time and the second: between a
    crash and the commit before it lies about a second. A user takes some 200 bytes.
    """

    def __init__(self, *, limit: int = 100_000) -> None:
        self._limit = limit
        self._newest: dict[int, OrderedDict[str, Position]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._newest.values()))

    def is_news(self, user_id: str, partition: int, offset: int, epoch: int = 0) -> bool:
        """Whether the list with this trigger is newer than all that were seen; it is remembered if so."""
        seen = self._newest.setdefault(partition, OrderedDict())
        if (epoch, offset) <= seen.get(user_id, (-1, -1)):
            return False
        seen[user_id] = epoch, offset
        seen.move_to_end(user_id)
        if len(seen) > self._limit:
            seen.popitem(last=False)
        return True
