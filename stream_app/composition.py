"""How a worker is put together: who gets what, and the order in which it starts."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import IO, Any

from aiokafka.errors import KafkaError

from models.bundle.signature import EVENT_TYPES
from stream_app.brokers.ports import is_taken
from stream_app.domain import history, lists
from stream_app.domain.history import UnknownFormat
from stream_app.domain.trending import Trending
from stream_app.scoring.device import DeviceUnavailable
from stream_app.scoring.microbatch import ScoringThread
from stream_app.scoring.onnx_scorer import require_device
from stream_app.scoring.snapshot import load_snapshot
from stream_app.settings import Settings
from stream_app.streaming.answering import Answering
from stream_app.streaming.delivery import AtLeastOnce, Delivery
from stream_app.streaming.feeds import TopicFeed
from stream_app.streaming.item_catalogue import ItemCatalogue
from stream_app.streaming.lane import tansu
from stream_app.streaming.lane.producer import BatchSender
from stream_app.streaming.lane.staged_store import StagedStore
from stream_app.streaming.lane.store import POSITIONS
from stream_app.streaming.metrics import BadShare, Metrics
from stream_app.streaming.model_watcher import ModelWatcher
from stream_app.streaming.pipeline import Pipeline, Tables
from stream_app.streaming.source_lane import SourceLane
from stream_app.streaming.sources import SourceChanged, Sources
from stream_app.streaming.state_folder import Identity, StateFolderProblem, claim
from stream_app.streaming.topic_admin import (
    NoBroker,
    TopicProblem,
    await_broker,
    prepare_topics,
    until_one_vanishes,
)
from stream_app.streaming.topics import TopicNames, plan
from stream_app.streaming.touches import EpochPassed, Window
from stream_app.streaming.transactions import ExactlyOnce
from stream_app.streaming.watchdog import Limit, Stopwatch, Watchdog, end_process
from stream_app.streaming.worker_app import (
    PRODUCER_TIMEOUT_S,
    WorkerApp,
    add_table,
    create_worker_app,
    credentials_of,
)
from stream_app.web.pages import add_pages

log = logging.getLogger(__name__)

_LOOP_STALL_LIMIT_S = 60.0
_HALF_BAD = 0.5


def compose(settings: Settings) -> WorkerApp:
    """The worker's app; nothing is opened or connected before it starts."""
    names = TopicNames(app_id=settings.app_id, prefix=settings.topic_prefix)
    app = create_worker_app(
        settings.app_id,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        credentials=credentials_of(settings.kafka_kwargs()),
        source_topic=names.events,
        partitions=settings.partitions,
        state_dir=settings.state_dir,
        standby_replicas=settings.standby_replicas,
        session_timeout_s=settings.kafka_session_timeout_s,
        web_host=settings.web_host,
        web_port=settings.web_port,
    )
    POSITIONS.update(history=history.position, lists=lists.position)
    tables = {name: add_table(app, name, partitions=settings.partitions) for name in ("history", "lists")}
    metrics, bad_share = Metrics(), BadShare()
    worker = _Worker(settings, names, app, tables, metrics, bad_share)
    app.prepare, app.finish = worker.prepare, worker.finish
    app.on_failure = _fail
    app.on_rebalance_complete.connect(worker.check_sources, weak=False)
    add_pages(app, readiness=worker.missing, registry=metrics.registry)
    return app


class _Worker:
    """What a running worker consists of beside Faust."""

    def __init__(
        self,
        settings: Settings,
        names: TopicNames,
        app: WorkerApp,
        tables: dict[str, Any],
        metrics: Metrics,
        bad_share: BadShare,
    ) -> None:
        self._settings = settings
        self._kafka = settings.kafka_kwargs()
        self._names = names
        self._app = app
        self._tables = tables
        self._metrics = metrics
        self._bad_share = bad_share
        self._items = ItemCatalogue()
        self._scoring = ScoringThread(on_batch=metrics.scored_rows.observe)
        self._feeds: list[TopicFeed] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._recovering = Stopwatch()
        self._beat = Stopwatch()
        self._lane: SourceLane | None = None
        self._delivery: Delivery | None = None
        self._state_lock: IO[bytes] | None = None

    # -- the start

    async def prepare(self) -> None:
        """Check everything that could fail later; a problem is one line, and exit code 1."""
        try:
            await self._prepare()
        except (
            NoBroker, TopicProblem, StateFolderProblem, DeviceUnavailable, KafkaError, OSError
        ) as error:  # fmt: skip
            end_process(" ".join(str(error).split()))

    async def _prepare(self) -> None:
        settings, kafka = self._settings, self._kafka
        require_device(settings.device)
        if is_taken(settings.web_host, settings.web_port):
            raise OSError(
                f"{settings.web_host}:{settings.web_port} is taken; every worker needs a port of its own: "
                "set MILLSTREAM_WEB_PORT"
            )
        self._state_lock = claim(settings.state_dir, self._state_identity())
        await await_broker(kafka, limit_s=settings.kafka_wait_s, say=log.warning)
        self._app.broker_is_tansu = await tansu.is_tansu(kafka)
        if self._app.broker_is_tansu and settings.delivery == "exactly-once":
            raise TopicProblem(
                "the embedded broker has no transactions: exactly-once needs Apache Kafka; "
                "set MILLSTREAM_DELIVERY=at-least-once"
            )
        topics = plan(
            self._names, partitions=settings.partitions, replication_factor=settings.replication_factor
        )
        await prepare_topics(kafka, self._names, topics)
        self._scoring.start()
        await self._follow_items()
        await self._follow_models()
        self._app.lane = self._lane = lane = self._compose_lane()
        self._metrics.in_flight.set_function(lambda: lane.in_flight)
        self._start_watchdog(lane)
        self._tasks.append(asyncio.create_task(self._watch_topics([topic.name for topic in topics])))

    async def check_sources(self, *_: object, **__: object) -> None:
        """When a recovery has ended, and before anything is read: is it still the same source?"""
        try:
            await self._app.check_sources()
        except (SourceChanged, KafkaError) as error:
            end_process(" ".join(str(error).split()))
        except Exception as error:
            # Faust's recovery would end in silence, and the worker wait for ever.
            log.exception("the sources could not be checked")
            end_process(f"the sources could not be checked ({type(error).__name__}: {error})")

    async def finish(self) -> None:
        """Let go of what Faust does not know of."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(feed.stop() for feed in self._feeds), self._scoring.stop())
        if self._delivery is not None:
            await self._delivery.close()

    def _state_identity(self) -> Identity:
        return Identity(
            app_id=self._settings.app_id,
            source_topic=self._names.events,
            partitions=self._settings.partitions,
            delivery=self._settings.delivery,
            formats={"history": history.FORMAT, "lists": lists.FORMAT},
        )

    def _feed(self, topic: str) -> TopicFeed:
        feed = TopicFeed(kafka=self._kafka, topic=topic)
        self._feeds.append(feed)
        return feed

    async def _follow_items(self) -> None:
        feed = self._feed(self._names.items)

        def apply(key: bytes | None, value: bytes | None) -> None:
            if problem := self._items.apply(key, value):
                log.warning("item %r left out: %s", key and key[:64], problem)

        self._items.on_availability(self._scoring.set_available)
        for record in await feed.load():
            apply(record.key, record.value)
        log.info("catalogue: %d items", len(self._items))

        async def follow() -> None:
            async for record in feed.follow():
                apply(record.key, record.value)

        self._keep_going("items", follow())

    async def _follow_models(self) -> None:
        feed = self._feed(self._names.models)
        watcher = ModelWatcher(
            channel=self._settings.channel,
            load=lambda folder: load_snapshot(
                folder, device=self._settings.device, unavailable_hashes=self._items.unavailable
            ),
            swap=self._scoring.swap,  # also to none, where the serving one is retired
            metrics=self._metrics,
        )
        for record in await feed.load():
            await watcher.apply(record.key, record.value)

        async def follow() -> None:
            async for record in feed.follow():
                await watcher.apply(record.key, record.value)

        self._keep_going("models", follow())

    async def _watch_topics(self, topics: Sequence[str]) -> None:
        # aiokafka would ask for a topic that is gone for ever, ten thousand times a second.
        name = await until_one_vanishes(self._kafka, topics)
        end_process(
            f"topic {name} has vanished; create it (millstream topics create) and start the worker again"
        )

    def _keep_going(self, topic: str, following: Coroutine[Any, Any, None]) -> None:
        async def follow() -> None:
            try:
                await following
            except Exception as error:
                log.exception("the feed of %s failed", topic)
                end_process(
                    f"the feed of {topic} has ended ({type(error).__name__}: {error}); ending with it"
                )

        self._tasks.append(asyncio.create_task(follow(), name=topic))

    def _compose_lane(self) -> SourceLane:
        settings, app = self._settings, self._app
        histories, given = self._tables["history"], self._tables["lists"]
        sender = BatchSender(lambda: app.lane_producer.client())
        self._delivery = delivery = self._choose_delivery(sender)
        history_store, list_store = histories.data, given.data
        if delivery.atomic:
            history_store, list_store = StagedStore(history_store), StagedStore(list_store)
        trending = Trending(half_life_ms=_ms(timedelta(days=settings.trending_half_life_days)))
        positive = frozenset(EVENT_TYPES.index(name) for name in settings.positive_types)
        pipeline = Pipeline(
            topics=self._names,
            tables=Tables(
                history_store, histories.changelog_topic_name, list_store, given.changelog_topic_name
            ),
            window=Window(
                limit=settings.history_limit,
                max_age_ms=_ms(timedelta(days=settings.history_days)),
            ),
            emission=settings.emit,
            sources=Sources(
                kafka=self._kafka,
                topic=self._names.events,
                epoch=settings.source_epoch,
                accept_new=settings.new_source_epoch,
            ),
            delivery=delivery,
            sender=sender,
            fence=app.fence,
            rewrite_span_s=settings.kafka_session_timeout_s + PRODUCER_TIMEOUT_S,
            on_failure=_fail,
            commit_soon=app.commit_soon,
            score=self._scoring.score,
            answering=Answering(
                source_topic=self._names.events,
                lists=list_store,
                k=settings.k,
                positive=positive,
                candidates=functools.partial(trending.candidates, self._items.available),
                committed_offset=app.committed_offset,
            ),
            trending=trending,
            popular_types=positive,
            item_name=self._item_name,
            metrics=self._metrics,
            bad_share=self._bad_share,
        )
        return SourceLane(
            self._names.events,
            pipeline,
            current_generation=app.current_generation,
            acknowledge=_in_transaction if delivery.atomic else app.acknowledge,
            on_failure=_fail,
        )

    def _choose_delivery(self, sender: BatchSender) -> Delivery:
        app = self._app
        if self._settings.delivery == "at-least-once":
            return AtLeastOnce(sender, fence=app.fence)
        return ExactlyOnce(
            new_client=lambda transactional_id: app.lane_producer.new_transactional_client(transactional_id),
            group=self._settings.app_id,
            fence=app.fence,
            committed=app.note_committed,
        )

    def _item_name(self, item_hash: int) -> str | None:
        item = self._items.item(item_hash)
        if item is not None:
            return item.item_id
        snapshot = self._scoring.snapshot
        return snapshot.vocabulary.name_of(item_hash) if snapshot is not None else None

    # -- watching

    def _start_watchdog(self, lane: SourceLane) -> None:
        def recovery_age_s() -> float:
            self._recovering.set(bool(self._app.rebalancing or self._app.in_recovery))
            return self._recovering.age_s()

        async def beat() -> None:
            while True:
                self._beat.set(False)
                self._beat.set(True)
                await asyncio.sleep(0.5)

        self._tasks.append(asyncio.create_task(beat(), name="heartbeat of the loop"))
        Watchdog(
            [
                Limit("the oldest chunk in flight", lane.oldest_age_s, self._settings.chunk_age_limit_s),
                Limit("the recovery", recovery_age_s, self._settings.recovery_age_limit_s),
                Limit("the event loop's last turn", self._beat.age_s, _LOOP_STALL_LIMIT_S),
            ]
        ).start()

    def missing(self) -> list[str]:
        """What keeps the worker from serving; nothing when it is ready."""
        app = self._app
        reasons = []
        if self._lane is None:
            reasons.append("starting")
        elif app.rebalancing or not app.has_joined:
            reasons.append("no partitions assigned yet")
        elif app.in_recovery:
            reasons.append("recovering state from the changelog")
        elif not app.fence.fresh:
            reasons.append("the broker does not answer")
        if any(task.done() for task in self._tasks):
            reasons.append("a feed of items or models has ended")
        if self._bad_share.value() > _HALF_BAD:
            reasons.append("more than half of the last minute's events are bad: see the dead letters")
        return reasons


def _fail(error: BaseException) -> None:
    # On purpose: a chunk that was not acknowledged is replayed by whoever takes over.
    if isinstance(error, UnknownFormat | EpochPassed):
        end_process(str(error))
    with suppress(Exception):
        log.error("a chunk failed", exc_info=error)
    end_process(f"a chunk failed ({type(error).__name__}: {error}); ending, so that it is replayed")


def _in_transaction(*about: object) -> None:
    """The offsets were committed together with the chunk."""


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
