"""State of a newer version: the worker says so in one line and ends, instead of hanging or guessing."""

from __future__ import annotations

import pytest

from stream_app.brokers import ApacheKafka
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import plan
from tests.conftest import MakeWorker
from tests.event_stream import Pair, send

FROM_THE_FUTURE = b"\x09" + bytes(60)


@pytest.mark.parametrize("table", ["history", "lists"])
async def test_a_changelog_of_a_newer_format_ends_the_start_with_one_line(
    apache_kafka: ApacheKafka, make_worker: MakeWorker, table: str
) -> None:
    worker = make_worker(apache_kafka, partitions=1)
    kafka = {"bootstrap_servers": worker.bootstrap_servers}
    await create_topics(kafka, plan(worker.names, partitions=1))
    changelog = f"{worker.names.app_id}-{table}-changelog"
    records: list[Pair] = [(b"ann", FROM_THE_FUTURE)]
    await send(worker.bootstrap_servers, changelog, records)

    worker.start()
    code = await worker.ended(limit_s=60)

    assert code == 1
    line = worker.log.splitlines()[-1]
    assert line.startswith("millstream: ")
    assert f"{table} format 9 found, this version reads 1; upgrade the worker" in line
    assert "Traceback" not in worker.log
