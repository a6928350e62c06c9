"""From the moment an event is handed to Kafka to the moment its recommendation is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_RECENT = 1000


class Latencies:
    """Measured by one clock, in one process: seconds of `time.monotonic`."""

    def __init__(self) -> None:
        self._sent: dict[str, float] = {}
        self._measured_ms: list[float] = []

    def sent(self, event_id: str, *, at_s: float) -> None:
        """An event is on its way."""
        self._sent[event_id] = at_s

    def answered(self, event_ids: Sequence[str], *, at_s: float) -> int:
        """A recommendation names these events; how many of them were waited for."""
        found = [self._sent.pop(event_id) for event_id in event_ids if event_id in self._sent]
        self._measured_ms += [(at_s - sent) * 1000 for sent in found]
        return len(found)

    @property
    def waiting(self) -> int:
        """Events without an answer so far."""
        return len(self._sent)

    def percentiles_ms(self, *, recent: bool = False) -> dict[str, float | None]:
        """`p50` and `p99` of all, or of the last thousand; None where nothing was measured yet."""
        measured = self._measured_ms[-_RECENT:] if recent else self._measured_ms
        if not measured:
            return {"p50": None, "p99": None}
        p50, p99 = np.percentile(measured, [50, 99])
        return {"p50": float(p50), "p99": float(p99)}
