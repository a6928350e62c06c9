"""How a worker is put together: who gets what, and the order in which it starts."""

from __future__ import annotations

import asyncio
import functools
import logging
from datetime import timedelta
from typing import IO, Any

from aiokafka.errors import KafkaError

from models.bundle.signature import EVENT_TYPES
from stream_app.brokers.ports import is_taken
from stream_app.domain import history, lists
from stream_app.domain.trending import Trending
from stream_app.scoring.device import DeviceUnavailable
from stream_app.scoring.microbatch import ScoringThread
from stream_app.scoring.onnx_session import require_device
from stream_app.settings import Settings
from stream_app.streaming.answering import Answering
from stream_app.streaming.delivery import AtLeastOnce, Delivery
from stream_app.streaming.following import Following
from stream_app.streaming.lane import tansu
from stream_app.streaming.lane.producer import BatchSender
from stream_app.streaming.lane.staged_store import StagedStore
from stream_app.streaming.lane.store import POSITIONS
from stream_app.streaming.metrics import BadShare, Metrics
from stream_app.streaming.pipeline import Pipeline
from stream_app.streaming.rewrites import Rewrites
from stream_app.streaming.source_lane import SourceLane
from stream_app.streaming.sources import SourceChanged, Sources
from stream_app.streaming.state_folder import Identity, StateFolderProblem, claim
from stream_app.streaming.tables import Table, Tables
from stream_app.streaming.topic_admin import (
    NoBroker,
    TopicProblem,
    await_broker,
    prepare_topics,
)
from stream_app.streaming.topics import TopicNames, plan
from stream_app.streaming.touches import Window
from stream_app.streaming.transactions import ExactlyOnce
from stream_app.streaming.vital_signs import VitalSigns, end_with
from stream_app.streaming.watchdog import end_process
from stream_app.streaming.worker_app import (
    WorkerApp,
    add_table,
    create_worker_app,
    credentials_of,
)
from stream_app.web.pages import add_pages

log = logging.getLogger(__name__)


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
    app.on_failure = end_with
    app.on_rebalance_complete.connect(worker.check_sources, weak=False)
    add_pages(app, readiness=worker.signs.missing, registry=metrics.registry)
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
        self._scoring = ScoringThread(on_batch=metrics.scored_rows.observe)
        self._following = Following(
            kafka=self._kafka,
            names=names,
            channel=settings.channel,
            device=settings.device,
            scoring=self._scoring,
            metrics=metrics,
            on_end=end_process,
        )
        self.signs = VitalSigns(app, bad_share=bad_share)
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
        await self._following.start()
        self._app.lane = lane = self._compose_lane()
        self._metrics.in_flight.set_function(lambda: lane.in_flight)
        self.signs.start(
            lane,
            chunk_age_limit_s=settings.chunk_age_limit_s,
            recovery_age_limit_s=settings.recovery_age_limit_s,
            kafka=kafka,
            topics=[topic.name for topic in topics],
        )

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
        await self.signs.stop()
        await asyncio.gather(self._following.stop(), self._scoring.stop())
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

    def _compose_lane(self) -> SourceLane:
        settings, app = self._settings, self._app
        histories, given = self._tables["history"], self._tables["lists"]
        sender = BatchSender(lambda: app.lane_producer.client())
        self._delivery = delivery = self._choose_delivery(sender)
        history_store, list_store = histories.data, given.data
        for store in (history_store, list_store):
            store.silence_s, store.on_failure = app.fence.silence_s, end_with
        if delivery.atomic:
            history_store, list_store = StagedStore(history_store), StagedStore(list_store)
        trending = Trending(half_life_ms=_ms(timedelta(days=settings.trending_half_life_days)))
        positive = frozenset(EVENT_TYPES.index(name) for name in settings.positive_types)
        tables = Tables(
            history=Table(history_store, histories.changelog_topic_name),
            lists=Table(list_store, given.changelog_topic_name),
        )
        window = Window(limit=settings.history_limit, max_age_ms=_ms(timedelta(days=settings.history_days)))
        pipeline = Pipeline(
            topics=self._names,
            tables=tables,
            window=window,
            emission=settings.emit,
            sources=Sources(
                kafka=self._kafka,
                topic=self._names.events,
                epoch=settings.source_epoch,
                accept_new=settings.new_source_epoch,
            ),
            delivery=delivery,
            fence=app.fence,
            rewrites=Rewrites(
                functools.partial(tables.rewrite, sender),
                fence=app.fence,
                span_s=rewrite_span_s(settings),
                on_failure=end_with,
            ),
            commit_soon=app.commit_soon,
            score=self._scoring.score,
            answering=Answering(
                source_topic=self._names.events,
                lists=list_store,
                k=settings.k,
                window=window,
                positive=positive,
                candidates=functools.partial(trending.candidates, self._following.items.available),
                committed_offset=app.committed_offset,
            ),
            trending=trending,
            popular_types=positive,
            item_name=self._following.item_name,
            metrics=self._metrics,
            bad_share=self._bad_share,
        )
        return SourceLane(
            self._names.events,
            pipeline,
            current_generation=app.current_generation,
            acknowledge=_in_transaction if delivery.atomic else app.acknowledge,
            on_failure=end_with,
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


def rewrite_span_s(settings: Settings) -> float:
    """How long after a take-over records of the former owner may arrive.

    An idempotent producer never gives a record up: what ends it is the watchdog, by the age of its chunk.
    """
    return settings.kafka_session_timeout_s + settings.chunk_age_limit_s


def _in_transaction(*about: object) -> None:
    """The offsets were committed together with the chunk."""


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
