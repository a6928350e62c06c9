"""Which announcements change what serves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from models.bundle.registry import Registry
from models.bundle.verification import bundle_digest
from stream_app.domain.messages import ModelAnnouncement, encode
from stream_app.scoring.snapshot import Snapshot, load_snapshot
from stream_app.streaming.metrics import Metrics
from stream_app.streaming.model_watcher import ModelWatcher
from tests.tiny_bundle import make_tiny_bundle

CHANNEL = b"default"


class Channel:
    """A registry, a watcher, and what it has swapped in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._registry = Registry(folder / "registry")
        self.swapped: list[str | None] = []
        self.watcher = ModelWatcher(
            channel="default",
            load=lambda bundle: load_snapshot(bundle, device="cpu"),
            swap=self._swap,
            metrics=Metrics(),
        )

    def _swap(self, snapshot: Snapshot | None) -> None:
        self.swapped.append(snapshot.version if snapshot is not None else None)

    def publish(self, version: str) -> tuple[str, str]:
        bundle = make_tiny_bundle(self._folder / version, [f"i{n}" for n in range(30)], version=version)
        return self._registry.publish(bundle), bundle_digest(bundle)

    async def announce(self, version: str, uri: str, sha256: str, *, role: str = "champion") -> None:
        message = ModelAnnouncement(version=version, uri=uri, sha256=sha256, role=role, announced_at=1)  # type: ignore[arg-type]
        await self.watcher.apply(CHANNEL, encode(message))


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    return Channel(tmp_path)


async def test_a_champion_serves_and_is_not_loaded_twice(channel: Channel) -> None:
    place = channel.publish("v1")
    await channel.announce("v1", *place)
    await channel.announce("v1", *place)
    assert channel.swapped == ["v1"]


async def test_what_serves_goes_when_it_is_retired_or_withdrawn(channel: Channel) -> None:
    place = channel.publish("v1")
    await channel.announce("v1", *place)
    await channel.announce("v1", *place, role="retired")
    assert channel.swapped == ["v1", None]
    await channel.announce("v1", *place)
    await channel.watcher.apply(CHANNEL, None)
    assert channel.swapped == ["v1", None, "v1", None]


async def test_another_that_is_retired_changes_nothing(channel: Channel) -> None:
    first, second = channel.publish("v1"), channel.publish("v2")
    await channel.announce("v2", *second)
    await channel.announce("v1", *first, role="retired")
    assert channel.swapped == ["v2"]


async def test_other_channels_and_nonsense_change_nothing(channel: Channel) -> None:
    uri, digest = channel.publish("v1")
    await channel.announce("v1", uri, digest)
    await channel.watcher.apply(b"other", None)
    await channel.watcher.apply(CHANNEL, b"junk")
    await channel.announce("v2", uri, digest)  # the version that the uri holds is v1
    await channel.announce("v3", f"{uri}-missing", digest)
    await channel.announce("v3", uri, "0" * 64)
    assert channel.swapped == ["v1"]


async def test_a_registry_out_of_reach_is_asked_again_until_another_is_announced(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream_app.streaming.model_watcher._PAUSES_S", (0.01,))
    away = [True]
    fetch = Registry.fetch

    def fetch_unless_away(registry: Registry, version: str) -> Path:
        if away[0]:
            raise ConnectionError("no route to the storage")
        return fetch(registry, version)

    monkeypatch.setattr(Registry, "fetch", fetch_unless_away)
    first, second = channel.publish("v1"), channel.publish("v2")
    await channel.announce("v1", *first)
    await asyncio.sleep(0.05)
    assert channel.swapped == []
    await channel.announce("v2", *second)
    away[0] = False
    while not channel.swapped:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert channel.swapped == ["v2"]
