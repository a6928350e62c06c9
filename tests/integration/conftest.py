"""One worker for all the tests of a module, on each broker in turn."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import pytest

from tests.conftest import BROKERS
from tests.worker_process import WorkerProcess


@pytest.fixture(scope="module", params=list(BROKERS))
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerProcess]:
    """A worker that is ready, on topics of its module's own."""
    shared = {"embedded": "embedded_broker", "apache": "apache_kafka"}[request.param]
    worker = WorkerProcess(
        bootstrap_servers=request.getfixturevalue(shared).bootstrap_servers,
        app_id=f"test-{uuid.uuid4().hex[:8]}",
        folder=tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2]),
    )
    worker.start()
    try:
        asyncio.run(worker.ready())
        yield worker
    finally:
        worker.clean_up()
