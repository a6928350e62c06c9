"""Bundles put into a registry, and announced to the workers."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from models.bundle.manifest import read_manifest
from models.bundle.verification import bundle_digest
from stream_app.domain.messages import ModelAnnouncement, encode
from tests.event_stream import send
from tests.worker_process import WorkerProcess


async def announce(
    worker: WorkerProcess,
    bundle: Path,
    *,
    registry: Path,
    damage: object = None,
    bootstrap_servers: str | None = None,
) -> str:
    """Copy a bundle into a registry's folder as it is, whole or not, and announce it; returns its version.

    `damage(folder)` is done to the copy after its digest was taken for the announcement, which goes to
    `bootstrap_servers`, by default the worker's.
    """
    version = read_manifest(bundle).version
    folder = registry / version
    shutil.copytree(bundle, folder)
    digest = bundle_digest(folder)
    if callable(damage):
        damage(folder)
    announcement = ModelAnnouncement(
        version=version,
        uri=folder.as_uri(),
        sha256=digest,
        role="champion",
        announced_at=time.time_ns() // 1_000_000,
    )
    pair = b"default", encode(announcement)
    await send(bootstrap_servers or worker.bootstrap_servers, worker.names.models, [pair])
    return version
