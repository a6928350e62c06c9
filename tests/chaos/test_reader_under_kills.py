"""A reader of at-least-once while the worker is killed: each trigger once, and the newest of everybody."""

from __future__ import annotations

import json
from collections import Counter

from stream_app.brokers import ApacheKafka
from stream_app.domain.reading import NewestTriggers
from tests.chaos.under_load import events_flowing, settle_and_check
from tests.conftest import MakeWorker
from tests.event_stream import Tail


async def test_a_reader_sees_each_trigger_once_though_some_are_sent_again(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(apache_kafka)
    worker.start()
    await worker.ready()
    triggers, seen, raw = (
        NewestTriggers(limit=200),
        Counter[tuple[str, int, int]](),
        Counter[tuple[str, int, int]](),
    )
    async with Tail(worker.bootstrap_servers, worker.names.recommendations) as tail:

        async def read() -> None:
            for record in await tail.read():
                message = json.loads(record.value)
                trigger = message["trigger"]
                place = message["user_id"], trigger["partition"], trigger["offset"]
                raw[place] += 1
                if triggers.is_news(*place, trigger.get("epoch", 0)):
                    seen[place] += 1

        async with events_flowing(worker):
            for _ in range(8):
                for _ in range(8):
                    await read()
                worker.kill()
                worker.start()
                await worker.ready()
                await read()
                if max(raw.values(), default=0) > 1:
                    break
        found = await settle_and_check(worker)
        while raw.total() < len(found.recommendations):
            await read()
    assert max(raw.values()) > 1, "no list was sent again: nothing was shown"
    assert set(seen.values()) == {1}
    newest = {(user, partition): offset for user, partition, offset in sorted(raw)}
    assert {(user, partition): offset for user, partition, offset in sorted(seen)} == newest
