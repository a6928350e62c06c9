"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stream_app.brokers import ApacheKafka
from tests.conftest import require_apache_kafka


@pytest.fixture(scope="module")
def frail_kafka() -> Iterator[ApacheKafka]:
    """An Apache Kafka for one module: it may be killed and frozen, if it is up again afterwards."""
    require_apache_kafka()
    broker = ApacheKafka()
    broker.start()
    yield broker
    broker.stop()
