"""The Faust app of a worker: its tables, its lane, and the settings of Faust that were measured to matter."""

from __future__ import annotations

import gc
import logging
import signal as signals
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import faust
import mode.loop
from faust.auth import SASLCredentials, SSLCredentials
from faust.exceptions import ConsumerNotStarted
from faust.types import TP

from stream_app.streaming import closed_connections, lane
from stream_app.streaming.fencing import Fence
from stream_app.streaming.lane.consumer import LaneConsumer
from stream_app.streaming.lane.producer import LaneProducer
from stream_app.streaming.lane.protocol import Lane
from stream_app.streaming.lane.tables import LaneTableManager
from stream_app.streaming.repeated_lines import RepeatedLines, limit_repeated_lines
from stream_app.streaming.watchdog import force_exit_after

_COLLECT_AFTER = 50_000
"""New containers before the collector looks at them; Python's default is 700."""

PRODUCER_TIMEOUT_S = 90.0
"""A broker may be gone for a minute without ending the worker."""

FORCED_EXIT_S = 8.0
"""SIGTERM with the broker down would hang for more than 45 s."""


class WorkerApp(faust.App):
    """A Faust app whose consumer feeds a lane.

    `prepare` runs once, before anything of Faust starts: it sets `lane`, and may end the process with a line.
    `on_failure` is told of what the consumer cannot go on after.
    `finish` runs when everything in flight was acknowledged and committed.
    """

    lane: Lane
    fence: Fence
    broker_is_tansu: bool = False
    prepare: Callable[[], Awaitable[None]]
    finish: Callable[[], Awaitable[None]]
    on_failure: Callable[[BaseException], None]

    async def on_first_start(self) -> None:
        await self.prepare()
        await super().on_first_start()
        _calm_the_collector()

    async def on_stop(self) -> None:
        await super().on_stop()
        await self.finish()

    def current_generation(self) -> int:
        return int(self.consumer_generation_id)

    def acknowledge(self, tp: TP, next_offset: int, generation: int) -> None:
        self._lane_consumer.acknowledge(tp, next_offset, generation=generation)

    def committed_offset(self, tp: TP) -> int:
        return self._lane_consumer.committed_offset(tp)

    async def check_sources(self) -> None:
        await self._lane_consumer.check_sources()

    def note_committed(self, tp: TP, next_offset: int) -> None:
        self._lane_consumer.note_committed(tp, next_offset)

    def commit_soon(self) -> None:
        self._lane_consumer.commit_soon()

    @property
    def lane_producer(self) -> LaneProducer:
        producer = self.producer
        assert isinstance(producer, LaneProducer)
        return producer

    @property
    def has_joined(self) -> bool:
        """Whether the group has told this worker its partitions; a spare worker has none."""
        try:
            # The embedded broker counts its groups' generations from 0.
            return int(self.consumer_generation_id) > 0 or bool(self._lane_consumer.assignment())
        except ConsumerNotStarted:
            return False

    @property
    def _lane_consumer(self) -> LaneConsumer:
        consumer = self.consumer
        assert isinstance(consumer, LaneConsumer)
        return consumer


class LaneWorker(faust.Worker):
    """Faust's worker, gone within 10 s of a signal whatever hangs."""

    def on_setup_root_logger(self, logger: logging.Logger, level: int) -> None:
        super().on_setup_root_logger(logger, level)
        limit_repeated_lines("aiokafka", RepeatedLines())
        for library in ("stream_app", "faust", "mode"):
            limit_repeated_lines(library, RepeatedLines(burst=5))

    def _schedule_shutdown(self, signal: signals.Signals) -> None:
        force_exit_after(FORCED_EXIT_S, reason=f"still there {FORCED_EXIT_S:.0f} s after {signal.name}")
        super()._schedule_shutdown(signal)


def create_worker_app(
    app_id: str,
    *,
    bootstrap_servers: str,
    credentials: SASLCredentials | SSLCredentials | None,
    source_topic: str,
    partitions: int,
    state_dir: Path,
    standby_replicas: int,
    session_timeout_s: float,
    web_host: str,
    web_port: int,
) -> WorkerApp:
    """The app, its source topic registered; tables are added by the caller."""
    lane.register()
    state_dir.mkdir(parents=True, exist_ok=True)
    rebalance_timeout_s = max(session_timeout_s, 10.0)
    app = WorkerApp(
        app_id,
        broker=[f"{lane.TRANSPORT_SCHEME}://{server}" for server in bootstrap_servers.split(",")],
        broker_credentials=credentials,
        broker_commit_interval=1.0,  # what is replayed after a crash is what was not committed
        broker_max_poll_records=2048,  # a chunk; with 500 a backlog is worked off in half chunks, 12 % slower
        consumer_max_fetch_size=4 << 20,  # of each partition; at 1 MiB a recovery takes 1.4 times as long
        broker_session_timeout=session_timeout_s,
        # A worker learns by its next heartbeat that another one died, and that it takes over.
        broker_heartbeat_interval=min(session_timeout_s / 3, 0.5),
        broker_rebalance_timeout=rebalance_timeout_s,
        # Faust's 90 s is how long a connection that a broker accepted while it went down holds up all others;
        # joining a group is answered only when everybody has joined.
        broker_request_timeout=2 * rebalance_timeout_s,
        consumer_auto_offset_reset="earliest",
        producer_linger=0.0,
        # Of one attempt. An idempotent producer tries again for ever: the watchdog ends a worker whose chunk
        # is too old, and `rewrites` counts on that.
        producer_request_timeout=PRODUCER_TIMEOUT_S,
        producer_max_batch_size=900_000,  # Kafka's default limit is 1,048,588
        producer_max_request_size=17 << 20,  # a dead letter may have 16 MiB
        key_serializer="raw",
        value_serializer="raw",
        store=f"{lane.STORE_SCHEME}://",
        datadir=state_dir,
        stream_wait_empty=True,
        table_standby_replicas=standby_replicas,
        topic_partitions=partitions,
        topic_disable_leader=True,
        web_bind=web_host,
        web_port=web_port,
        worker_redirect_stdouts=False,
        autodiscover=False,
        Worker=LaneWorker,
        TableManager=LaneTableManager,
    )
    app.fence = Fence(session_timeout_s=session_timeout_s, current_generation=app.current_generation)
    source = app.topic(source_topic, key_type=bytes, value_type=bytes, partitions=partitions)
    # Registered now and not at the start, or Faust waits 45 s before it subscribes.
    app.topics.add(source.clone(is_iterator=True))  # type: ignore[arg-type]
    return app


def _calm_the_collector() -> None:
    # A chunk's objects go by their reference counts; at the default threshold the search for cycles among
    # them takes a sixth of the worker's time. What was imported stays, and need not be searched at all.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def add_table(app: WorkerApp, name: str, *, partitions: int) -> Any:
    """A changelogged table on a `BatchStore`; its changelog must exist with as many partitions."""
    return app.Table(name, key_type=bytes, value_type=bytes, partitions=partitions)


def credentials_of(kafka: dict[str, Any]) -> SASLCredentials | SSLCredentials | None:
    """Faust's credentials for the arguments that aiokafka clients take."""
    context = kafka.get("ssl_context")
    if "sasl_mechanism" in kafka:
        return SASLCredentials(
            mechanism=kafka["sasl_mechanism"],
            username=kafka["sasl_plain_username"],
            password=kafka["sasl_plain_password"],
            ssl_context=context,
        )
    return SSLCredentials(context=context) if context is not None else None


def use_fast_loop() -> None:
    """Run on uvloop where it exists; to be called before there is a loop."""
    if sys.platform != "win32":
        mode.loop.use("uvloop")
        closed_connections.take_for_lost()


def run(app: WorkerApp, *, log_level: str = "info") -> None:
    """Run the app until a signal; exits the process with 0, or with 1 after a crash.

    Never at Faust's default level: WARN makes it set the root logger to DEBUG, and every message costs.
    """
    app.finalize()
    app.worker_init()
    app.worker_init_post_autodiscover()
    app.Worker(loglevel=log_level, quiet=True).execute_from_commandline()
