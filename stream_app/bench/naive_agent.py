"""The rival: a Faust agent as one writes it first, an event at a time, with stock Faust beneath it.

It does the work of the worker without a model, by the same functions of the domain: decode, extend the
history (a table in RocksDB with a changelog), count what is trending, judge the event against the last list,
rank, remember the list (a second table), send JSON. Stock are the transport, the RocksDB store, the tables
and `topic.send`; the settings are sensible ones, uvloop included.

Run as `python -m stream_app.bench.naive_agent`, with the worker's settings in the environment. It is a rival
and no product: it sends no dead letters, nothing orders its sends and its commits, a crash can lose events.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Any

import mode.loop

if sys.platform != "win32":
    mode.loop.use("uvloop")

import faust

from models.bundle.signature import EVENT_TYPES
from stream_app.domain.decoding import Rejected, decode
from stream_app.domain.history import contains, extend, header, length
from stream_app.domain.lists import GivenList, judging, read, remember, write
from stream_app.domain.messages import EventPosition, ModelRef, Outcome, Recommendation, Trigger, encode
from stream_app.domain.outcomes import judge
from stream_app.domain.ranking import rank_trending
from stream_app.domain.trending import PartitionClock, Trending
from stream_app.settings import Settings
from stream_app.settings_sources import load_settings
from stream_app.streaming.topics import TopicNames

TRENDING = ModelRef("trending", "fallback")


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
    trending = Trending(half_life_ms=_ms(days=settings.trending_half_life_days))
    clock = PartitionClock()
    positive = frozenset(EVENT_TYPES.index(name) for name in settings.positive_types)
    epoch, max_age_ms = settings.source_epoch, _ms(days=settings.history_days)

    @app.agent(events)
    async def recommend(stream: Any) -> None:
        counted, candidates = 0, trending.candidates(_any_item)
        async for one in stream.events():
            message = one.message
            event = decode(
                message.key,
                message.value,
                offset=message.offset,
                record_timestamp_ms=int(message.timestamp * 1000),
            )
            if isinstance(event, Rejected):
                continue
            user, now_ms = message.key, time.time_ns() // 1_000_000
            before = histories.get(user)
            after = extend(before, [event], epoch=epoch, limit=settings.history_limit, max_age_ms=max_age_ms)
            if after is None:
                continue
            histories[user] = after
            trending.count([event], clock, positive.__contains__)
            lists = read(given.get(user))
            outcome = judge(
                event,
                judging(lists, epoch, event.offset),
                seen=before is not None and contains(before, event.item_hash),
                positive=positive,
                source=EventPosition(names.events, message.partition, event.offset),
                now_ms=now_ms,
            )
            if isinstance(outcome, Outcome):
                await outcomes.send(key=user, value=encode(outcome))
            if not counted % 256:  # a chunk's worth: sorting them for each event would be the whole work
                candidates = trending.candidates(_any_item)
            counted += 1
            (ranking,) = rank_trending(candidates, [after], k=settings.k)
            at = header(after)
            new = GivenList(at.epoch, at.offset, now_ms, settings.k, TRENDING, ranking.hashes)
            given[user] = write(remember(lists, new, committed=(epoch, 0)))
            recommendation = Recommendation(
                user_id=user.decode(),
                items=ranking.items,
                model=TRENDING,
                trigger=Trigger((), names.events, message.partition, at.offset),
                history_length=length(after),
                event_timestamp=event.timestamp_ms,
                emitted_at=now_ms,
            )
            await recommendations.send(key=user, value=encode(recommendation))

    return app


def _any_item(item_hash: int) -> bool:
    return True


def _ms(*, days: float) -> int:
    return timedelta(days=days) // timedelta(milliseconds=1)


if __name__ == "__main__":
    app = compose(load_settings())
    app.finalize()
    app.worker_init()
    app.Worker(loglevel="info", quiet=True).execute_from_commandline()
