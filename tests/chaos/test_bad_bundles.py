"""Bundles that are not what they should be: refused with the reason, and the old model serves on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec

from models.bundle.manifest import MANIFEST_FILE, read_manifest, write_manifest
from models.bundle.verification import ENCODER_FILE, ITEMS_FILE, describe_files
from stream_app.brokers import ApacheKafka
from tests.announcing import announce
from tests.conftest import MakeWorker
from tests.event_stream import Tail, send_events, some_events, until_settled
from tests.tiny_bundle import make_tiny_bundle

ITEMS = [f"item-{number}" for number in range(400)]


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a flipped bit in the graph": (lambda folder: flip_a_bit(folder / ENCODER_FILE), f"{ENCODER_FILE}"),
    "a flipped bit in the items": (lambda folder: flip_a_bit(folder / ITEMS_FILE), f"{ITEMS_FILE}"),
    "half a graph": (lambda folder: cut_short(folder / ENCODER_FILE), f"{ENCODER_FILE}"),
    "half a manifest": (lambda folder: cut_short(folder / MANIFEST_FILE), "manifest"),
    "no items": (lambda folder: (folder / ITEMS_FILE).unlink(), f"{ITEMS_FILE}"),
}


def of_another_signature(folder: Path, version: str) -> Path:
    """A bundle that is whole, and whose graph takes longer histories than its manifest says."""
    bundle = make_tiny_bundle(folder / "said", ITEMS, seed=8, version=version, max_length=20)
    longer = make_tiny_bundle(folder / "longer", ITEMS, seed=8, version=version, max_length=30)
    (bundle / ENCODER_FILE).write_bytes((longer / ENCODER_FILE).read_bytes())
    files, sizes = describe_files(bundle)
    write_manifest(bundle, msgspec.structs.replace(read_manifest(bundle), files=files, sizes=sizes))
    return bundle


async def test_a_bad_bundle_is_refused_with_the_reason_and_the_old_model_serves_on(
    apache_kafka: ApacheKafka, make_worker: MakeWorker, tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    worker = make_worker(apache_kafka)
    worker.start()
    await worker.ready()
    await announce(worker, make_tiny_bundle(tmp_path / "good", ITEMS, version="good"), registry=registry)
    await worker.says("model good serves now")

    for number, (name, (damage, words)) in enumerate(DAMAGE.items()):
        bundle = make_tiny_bundle(tmp_path / f"bad-{number}", ITEMS, seed=number, version=f"bad-{number}")
        await announce(worker, bundle, registry=registry, damage=damage)
        line = await worker.says(f"model refused: bad-{number}")
        assert words in line, name
        assert line.endswith("model good serves on"), name

    def exchange(folder: Path) -> None:  # for another one that is whole as well
        for path in make_tiny_bundle(tmp_path / "other", ITEMS, seed=7, version="bad-swapped").iterdir():
            (folder / path.name).write_bytes(path.read_bytes())

    bundle = make_tiny_bundle(tmp_path / "one", ITEMS, seed=6, version="bad-swapped")
    await announce(worker, bundle, registry=registry, damage=exchange)
    assert "announced with sha256" in await worker.says("model refused: bad-swapped")

    await announce(worker, of_another_signature(tmp_path, "bad-other"), registry=registry)
    line = await worker.says("model refused: bad-other")
    assert "expected" in line and "30" in line and "20" in line

    events = some_events(200)
    await send_events(worker, events)
    await until_settled(worker)
    async with Tail(worker.bootstrap_servers, worker.names.recommendations) as tail:
        await tail.until(
            lambda records: len({record.key for record in records}) == len({e["user_id"] for e in events})
        )
        assert {json.loads(record.value)["model"]["version"] for record in tail.records} == {"good"}
