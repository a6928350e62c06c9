from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest

from models.bundle import registry as module
from models.bundle.errors import BundleError, CorruptBundle, UnknownVersion
from models.bundle.registry import Registry, new_version
from models.bundle.verification import ENCODER_FILE, bundle_digest, verify
from tests.unit.models.bundle.staged import stage


@pytest.fixture(params=["local", "memory"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    url = str(tmp_path / "registry") if request.param == "local" else f"memory://{uuid.uuid4().hex}/registry"
    return Registry(url, cache=tmp_path / "cache")


def test_what_is_published_can_be_listed_read_and_fetched(registry: Registry, tmp_path: Path) -> None:
    staging = stage(tmp_path / "staging", version="v1")
    registry.publish(staging)
    assert registry.versions() == ["v1"]
    assert registry.manifest("v1") == verify(staging)
    assert bundle_digest(registry.fetch("v1")) == bundle_digest(staging)
    assert verify(registry.fetch("v1")).version == "v1"


def test_the_uri_of_an_announcement_leads_back_to_the_version(registry: Registry, tmp_path: Path) -> None:
    uri = registry.publish(stage(tmp_path / "staging", version="v1"))
    assert uri == registry.uri("v1")
    found, version = Registry.of(uri, cache=tmp_path / "elsewhere")
    assert version == "v1"
    assert verify(found.fetch(version)).version == "v1"


def test_versions_are_listed_oldest_first(registry: Registry, tmp_path: Path) -> None:
    names = [new_version(now_ms) for now_ms in (1_800_000_000_000, 1_700_000_000_000, 1_750_000_000_000)]
    for name in names:
        registry.publish(stage(tmp_path / name, version=name))
    assert registry.versions() == [names[1], names[2], names[0]]


def test_an_empty_registry_has_no_versions(registry: Registry) -> None:
    assert registry.versions() == []


def test_a_version_never_changes(registry: Registry, tmp_path: Path) -> None:
    registry.publish(stage(tmp_path / "a", version="v1", items=3))
    before = bundle_digest(registry.fetch("v1"))
    with pytest.raises(BundleError, match="there already"):
        registry.publish(stage(tmp_path / "b", version="v1", items=4))
    assert bundle_digest(registry.fetch("v1")) == before


def test_a_bundle_that_is_not_whole_is_not_published(registry: Registry, tmp_path: Path) -> None:
    staging = stage(tmp_path / "staging")
    (staging / ENCODER_FILE).write_bytes(b"short")
    with pytest.raises(CorruptBundle):
        registry.publish(staging)
    assert registry.versions() == []


@pytest.mark.parametrize("version", ["v2", "../v1", "", ".v1", "a/b"])
def test_an_unknown_version_is_refused_everywhere(registry: Registry, tmp_path: Path, version: str) -> None:
    registry.publish(stage(tmp_path / "staging", version="v1"))
    for read in (registry.manifest, registry.fetch):
        with pytest.raises(UnknownVersion):
            read(version)


def test_a_remote_version_without_manifest_is_not_there_yet(tmp_path: Path) -> None:
    url = f"memory://{uuid.uuid4().hex}"
    registry = Registry(url, cache=tmp_path)
    registry._fs.makedirs(f"{registry._root}/v1")
    registry._fs.pipe_file(f"{registry._root}/v1/{ENCODER_FILE}", b"first part of an upload")
    assert registry.versions() == []
    with pytest.raises(UnknownVersion):
        registry.fetch("v1")


def test_a_spoilt_copy_of_a_remote_version_is_copied_again(tmp_path: Path) -> None:
    registry = Registry(f"memory://{uuid.uuid4().hex}", cache=tmp_path / "cache")
    registry.publish(stage(tmp_path / "staging", version="v1"))
    (registry.fetch("v1") / ENCODER_FILE).write_bytes(b"spoilt")
    assert verify(registry.fetch("v1")).version == "v1"


def test_a_remote_version_that_is_corrupt_is_refused_and_leaves_no_copy(tmp_path: Path) -> None:
    registry = Registry(f"memory://{uuid.uuid4().hex}", cache=tmp_path / "cache")
    registry.publish(stage(tmp_path / "staging", version="v1"))
    registry._fs.pipe_file(f"{registry._root}/v1/{ENCODER_FILE}", b"spoilt")
    with pytest.raises(CorruptBundle, match=ENCODER_FILE):
        registry.fetch("v1")
    assert not list((tmp_path / "cache").rglob(ENCODER_FILE))


def test_a_publish_that_fails_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    registry = Registry(tmp_path / "registry")
    monkeypatch.setattr(module.shutil, "copy2", full_disk)
    with pytest.raises(OSError, match="No space left"):
        registry.publish(stage(tmp_path / "staging"))
    assert list((tmp_path / "registry").iterdir()) == []


def test_a_reader_beside_a_publisher_sees_only_whole_versions(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    staged = [stage(tmp_path / f"staging-{i}", version=f"v{i:02}") for i in range(20)]
    done = threading.Event()
    seen: list[str] = []
    faults: list[BundleError] = []

    def read() -> None:
        while not done.is_set():
            for version in registry.versions():
                try:
                    seen.append(verify(registry.fetch(version)).version)
                except BundleError as error:
                    faults.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for staging in staged:
            registry.publish(staging)
    finally:
        done.set()
        reader.join()
    assert not faults
    assert seen


def test_a_version_published_by_two_at_once_is_published_by_one(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    staged = [stage(tmp_path / f"staging-{i}", version="v1", items=i + 1) for i in range(4)]
    refused: list[BundleError] = []
    start = threading.Barrier(len(staged))

    def publish(staging: Path) -> None:
        start.wait()
        try:
            registry.publish(staging)
        except BundleError as error:
            refused.append(error)

    threads = [threading.Thread(target=publish, args=(staging,)) for staging in staged]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == len(staged) - 1
    assert verify(registry.fetch("v1")).version == "v1"
    assert [path.name for path in (tmp_path / "registry").iterdir()] == ["v1"]


def test_names_of_versions_sort_by_time() -> None:
    earlier, later = new_version(1_795_000_000_000), new_version(1_795_000_001_000)
    assert earlier < later
    assert earlier.startswith("20261118-")
