"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stream_app.brokers import ApacheKafka, Broker
from tests.conftest import MakeWorker, require_apache_kafka
from tests.worker_process import WorkerProcess

SMALL_WINDOW = {"history_limit": 20, "history_days": 30}
"""So that histories are cut by count and by age."""


@pytest.fixture
def make_worker(make_worker: MakeWorker) -> MakeWorker:
    """As elsewhere, with a window that is soon full."""

    def make(broker: Broker, *, settings: dict[str, object] | None = None, **options: Any) -> WorkerProcess:
        return make_worker(broker, settings={**SMALL_WINDOW, **(settings or {})}, **options)

    return make


@pytest.fixture(scope="module")
def kafka_of_the_module() -> Iterator[ApacheKafka]:
    require_apache_kafka()
    broker = ApacheKafka()
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def frail_kafka(kafka_of_the_module: ApacheKafka) -> ApacheKafka:
    """An Apache Kafka for one module, up when a test begins: it may be killed and frozen."""
    if kafka_of_the_module.wait(0):  # the test before failed, and left it dead
        kafka_of_the_module.start()
    return kafka_of_the_module
