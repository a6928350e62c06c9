"""The rival: a Faust agent as one writes it first, an event at a time, with stock Faust beneath it.

It does the work of the worker without a model (see `one_event`); histories and lists are two tables in
RocksDB with a changelog each. Stock are the transport, the RocksDB store, the tables and `topic.send`; the
settings are sensible ones, uvloop included.

Run as `python -m stream_app.bench.naive_agent`, with the worker's settings in the environment. It is a rival
and no product: it sends no dead letters, nothing orders its sends and its commits, a crash can lose events.
"""

from __future__ import annotations

import sys
from typing import Any

import mode.loop

if sys.platform != "win32":
    mode.loop.use("uvloop")

import faust

from stream_app.bench.one_event import OneEvent
from stream_app.settings import Settings
from stream_app.settings_sources import load_settings
from stream_app.streaming.topics import TopicNames


def compose(settings: Settings) -> faust.App:
    """The app, its agent included."""
    names = TopicNames(app_id=settings.app_id, prefix=settings.topic_prefix)
    app = faust.App(
        settings.app_id,
        broker=f"kafka://{settings.kafka_bootstrap_servers}",
        store="rocksdb://",
        datadir=settings.state_dir,
        topic_partitions=settings.partitions,
        topic_disable_leader=True,
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        producer_linger=0.0,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "partitions": settings.partitions}
    # Faust's default cache is 2 GB for each partition.
    options = {"driver": "rocksdict", "block_cache_size": 64 << 20, "write_buffer_size": 32 << 20}
    histories = app.Table("history", options=options, **raw)
    given = app.Table("lists", options=options, **raw)
    events = app.topic(names.events, **raw)
    recommendations, outcomes = app.topic(names.recommendations, **raw), app.topic(names.outcomes, **raw)
    work = OneEvent(settings, source_topic=names.events)

    @app.agent(events)
    async def recommend(stream: Any) -> None:
        async for one in stream.events():
            message = one.message
            user = message.key
            event = work.decode(
                user, message.value, offset=message.offset, timestamp_ms=int(message.timestamp * 1000)
            )
            if event is None:
                continue
            answer = work.answer(
                event, partition=message.partition, before=histories.get(user), given=given.get(user)
            )
            if answer is None:
                continue
            histories[user] = answer.history
            given[user] = answer.lists
            if answer.outcome is not None:
                await outcomes.send(key=user, value=answer.outcome)
            await recommendations.send(key=user, value=answer.recommendation)

    return app


if __name__ == "__main__":
    app = compose(load_settings())
    app.finalize()
    app.worker_init()
    app.Worker(loglevel="info", quiet=True).execute_from_commandline()
