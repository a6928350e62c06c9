"""Follows the `models` topic: fetch, verify, warm, swap. A bad bundle never replaces a good one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path

import msgspec

from models.bundle.errors import BundleError, CorruptBundle
from models.bundle.registry import Registry
from models.bundle.verification import bundle_digest
from stream_app.domain.messages import ModelAnnouncement
from stream_app.scoring.snapshot import Snapshot
from stream_app.streaming.metrics import Metrics

log = logging.getLogger(__name__)

_OUT_OF_REACH = object()
_PAUSES_S = (1.0, 2.0, 5.0, 15.0, 60.0)

_decode = msgspec.json.Decoder(ModelAnnouncement).decode


class ModelWatcher:
    """Keeps the serving snapshot at what was last announced for the channel.

    A registry that cannot be reached is asked again, with growing pauses, until another model is announced.
    """

    def __init__(
        self,
        *,
        channel: str,
        load: Callable[[Path], Snapshot],
        swap: Callable[[Snapshot | None], None],
        metrics: Metrics,
        cache: Path | None = None,
    ) -> None:
        self._channel = channel.encode()
        self._load = load
        self._swap = swap
        self._metrics = metrics
        self._cache = cache
        self.serving: str | None = None
        self._again: asyncio.Task[None] | None = None

    async def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take one announcement; what is wrong with it is logged in one line, and the old model serves on."""
        if key != self._channel:
            return
        self.stop()
        if value is None:
            self._retire("the announcement was withdrawn")
            return
        try:
            announcement = _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._refuse("an announcement that is no valid JSON message", error)
            return
        if announcement.role == "retired" and announcement.version == self.serving:
            self._retire(f"model {announcement.version} was retired")
        if announcement.role != "champion" or announcement.version == self.serving:
            return
        if await self._load_and_swap(announcement) is _OUT_OF_REACH:
            self._again = asyncio.create_task(self._until_reached(announcement), name="a model out of reach")

    def stop(self) -> None:
        """Ask for nothing again."""
        if self._again is not None:
            self._again.cancel()
            self._again = None

    async def _until_reached(self, announcement: ModelAnnouncement) -> None:
        for pause_s in chain(_PAUSES_S, repeat(_PAUSES_S[-1])):
            await asyncio.sleep(pause_s)
            if await self._load_and_swap(announcement) is not _OUT_OF_REACH:
                return

    async def _load_and_swap(self, announcement: ModelAnnouncement) -> object:
        try:
            snapshot = await asyncio.get_running_loop().run_in_executor(None, self._prepare, announcement)
        except BundleError as error:
            self._refuse(announcement.version, error)
            return None
        except Exception as error:  # onnxruntime and fsspec raise their own; none of it may end the worker
            self._refuse(announcement.version, error)
            return _OUT_OF_REACH if isinstance(error, OSError) else None
        self._swap(snapshot)
        self.serving = announcement.version
        self._metrics.model_swaps.inc()
        log.info("model %s serves now", announcement.version)
        return None

    def _retire(self, reason: str) -> None:
        if self.serving is not None:
            self._swap(None)
            self.serving = None
            log.warning("%s; trending serves until another is announced", reason)

    def _prepare(self, announcement: ModelAnnouncement) -> Snapshot:
        registry, version = Registry.of(announcement.uri, cache=self._cache)
        if version != announcement.version:
            raise CorruptBundle(f"{announcement.uri}: holds another version; announce the model again")
        folder = registry.fetch(version)
        digest = bundle_digest(folder)
        if digest != announcement.sha256:
            raise CorruptBundle(
                f"{announcement.uri}: announced with sha256 {announcement.sha256[:12]}…, its manifest has "
                f"{digest[:12]}…; announce the model again"
            )
        return self._load(folder)

    def _refuse(self, what: str, error: Exception) -> None:
        self._metrics.model_refusals.inc()
        kept = f"model {self.serving} serves on" if self.serving else "trending serves on"
        log.error("model refused: %s: %s; %s", what, " ".join(str(error).split()), kept)
