"""Keeps a worker that was frozen past its session from overwriting its successor.

A worker that was stopped, or cut off, for longer than its session goes on sending before it learns that it
was expelled, and its old records become the newest of the changelog. Three things against it:

a. nothing is sent when the last successful heartbeat is older than half the session (`Fence`)
b. recovery and standbys keep the record with the higher position (`lane.store`); whoever takes the partition
   over writes that one once more where the changelog has a lower one after it
c. for a while after it took a partition over, the owner remembers whom it touched, and then writes their
   records once more (`rewrites`); until then its store does not say that it has read the changelog, so that
   (b) finds what came meanwhile, should the owner change again

Together they cover a freeze whose left-over records arrive within the while of (c); of two changes of owner
within it, and left-over records after the second, only those of users whom the last owner touches. Only a
transactional id for each partition fences fully.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Superseded(Exception):
    """The partition was, or may have been, handed to another worker: the chunk is left to its next owner."""


class Fence:
    """Open while this worker is known to be a member of its group."""

    def __init__(
        self,
        *,
        session_timeout_s: float,
        current_generation: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fresh_s = session_timeout_s / 2
        self._current_generation = current_generation
        self._clock = clock
        self._heard = clock()
        self._closing = False

    def heard(self, asked: float | None = None) -> None:
        """A heartbeat succeeded, or a group was joined; may be called from the consumer's thread.

        `asked` is when the heartbeat was sent, on the fence's clock: its answer may have waited for a process
        that was frozen, and says nothing of the time since.
        """
        self._heard = max(self._heard, self._clock() if asked is None else asked)

    def closing(self, closing: bool) -> None:
        """Partitions are being revoked: what cannot go out now is given up, not waited for."""
        self._closing = closing

    @property
    def fresh(self) -> bool:
        """Whether the last heartbeat is young enough to send by."""
        return self.silence_s() <= self._fresh_s

    def silence_s(self) -> float:
        """For how many seconds the group has not been heard of."""
        return self._clock() - self._heard

    def owns(self, generation: int) -> bool:
        """Whether a chunk of this generation is still ours beyond doubt."""
        return self.fresh and self.is_current(generation)

    def is_current(self, generation: int) -> bool:
        """Whether the group has had no other generation since, as far as we were told."""
        return generation == self._current_generation()

    async def until_passed(self, generation: int) -> None:
        """Return when the generation is over or about to be; TimeoutError where it stays for two sessions."""
        async with asyncio.timeout(4 * self._fresh_s):
            # A revocation waits for the chunks in flight: the next generation comes after them.
            while self.is_current(generation) and not self._closing:
                await asyncio.sleep(0.02)

    async def enter(self, generation: int) -> None:
        """Return when a chunk of this generation may be sent; wait while the broker is out of reach.

        Raises Superseded where the generation has passed, or is about to while no heartbeat came through.
        """
        while not self.fresh:
            if self._closing:
                raise Superseded("the partitions are revoked, and no heartbeat came through")
            if not self.is_current(generation):
                break
            await asyncio.sleep(0.02)
        if not self.is_current(generation):
            raise Superseded("the group has another generation")
