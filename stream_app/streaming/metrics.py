"""What the worker counts, for Prometheus and for its own readiness."""

from __future__ import annotations

import time
from collections import deque

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_ROW_BUCKETS = (1, 2, 4, 8, 16, 32)


class Metrics:
    """The worker's figures, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        here = self.registry
        self.events = Counter("millstream_events", "Events applied or replayed", registry=here)
        self.dead_letters = Counter("millstream_dead_letters", "Bad events", ["field"], registry=here)
        self.recommendations = Counter("millstream_recommendations", "Lists sent", ["role"], registry=here)
        self.outcomes = Counter("millstream_outcomes", "Events judged", ["role"], registry=here)
        self.hits = Counter(
            "millstream_hits", "Judged events whose item was in the list", ["role"], registry=here
        )
        self.skipped = Counter("millstream_outcomes_skipped", "Events not judged", ["reason"], registry=here)
        self.chunks = Counter("millstream_chunks", "Chunks acknowledged", registry=here)
        self.chunk_seconds = Histogram(
            "millstream_chunk_seconds", "From decoding to the broker's last acknowledgement", registry=here,
            buckets=_LATENCY_BUCKETS,
        )  # fmt: skip
        self.scored_rows = Histogram(
            "millstream_scored_rows", "Histories in each batch that the model scored", registry=here,
            buckets=_ROW_BUCKETS,
        )  # fmt: skip
        self.model_swaps = Counter("millstream_model_swaps", "Models swapped in", registry=here)
        self.model_refusals = Counter("millstream_model_refusals", "Bundles refused", registry=here)
        self.item_rows_added = Gauge(
            "millstream_item_rows_added",
            "Items of the serving model that came after its training",
            registry=here,
        )
        self.items_refused = Counter(
            "millstream_items_refused", "Items that could get no row in a model", registry=here
        )
        self.in_flight = Gauge("millstream_chunks_in_flight", "Chunks under way", registry=here)


class BadShare:
    """The share of bad events over the last minute: above half, the contract is misunderstood."""

    def __init__(self, *, window_s: float = 60.0) -> None:
        self._window_s = window_s
        self._counts: deque[tuple[float, int, int]] = deque()

    def add(self, *, good: int, bad: int, now: float | None = None) -> None:
        self._counts.append((time.monotonic() if now is None else now, good, bad))
        if len(self._counts) > 10_000:
            self._counts.popleft()

    def value(self, *, now: float | None = None) -> float:
        """Bad events over all events of the window; 0 without events."""
        horizon = (time.monotonic() if now is None else now) - self._window_s
        while self._counts and self._counts[0][0] < horizon:
            self._counts.popleft()
        bad = sum(count[2] for count in self._counts)
        total = bad + sum(count[1] for count in self._counts)
        return bad / total if total else 0.0
