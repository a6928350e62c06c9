"""Records of a worker that was expelled arrive after its successor's, of users whom nobody touches again.

They were on their way when the worker was frozen past its session: no fence in it can hold them back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from stream_app.brokers import ApacheKafka
from stream_app.brokers.ports import free_port
from tests.chaos import altered_worker
from tests.chaos.proxy import HoldingProxy
from tests.conftest import MakeWorker, require_apache_kafka
from tests.event_stream import send_events, until_settled
from tests.reference import check_answers, check_histories, expected_histories, find_everything
from tests.worker_process import WorkerProcess

USERS = 40
SESSION_S = 6


def one_each(what: str) -> list[dict[str, str]]:
    """An event of every user."""
    return [{"user_id": f"user-{number}", "item_id": what, "type": "view"} for number in range(USERS)]


@dataclass
class Pair:
    """A worker behind a proxy, and the one that takes over."""

    first: WorkerProcess
    second: WorkerProcess
    proxy: HoldingProxy

    async def let_records_be_left_over(self) -> None:
        """The first worker's records of the second events arrive when the second has written the third."""
        first, second = self.first, self.second
        first.start()
        await first.ready()
        await send_events(second, one_each("early"))
        await until_settled(second)
        self.proxy.hold()
        await send_events(second, one_each("late"))
        await asyncio.wait_for(self.proxy.held.wait(), 10)
        first.freeze()
        second.start()
        await send_events(second, one_each("last"))
        await until_settled(second)
        self.proxy.release()
        await asyncio.sleep(1)

    async def check(self) -> None:
        found = await find_everything(self.second)
        expected = expected_histories(found.source)
        assert len(expected) == USERS
        check_histories(found, expected)
        check_answers(found, expected)


async def test_left_over_records_are_written_over_and_were_not_before_there_was_fencing(
    make_worker: MakeWorker,
) -> None:
    require_apache_kafka()
    ports = [free_port(), free_port()]
    broker = ApacheKafka(proxied=ports)
    await asyncio.to_thread(broker.start)
    proxies = [
        HoldingProxy(port=port, target=target)
        for port, target in zip(ports, broker.proxied_targets, strict=True)
    ]
    try:
        for proxy in proxies:
            await proxy.start()
        fenced, unfenced = (
            a_pair(make_worker, broker, proxy, app_id=kind, command=altered_worker.command(kind))
            for kind, proxy in zip(("hasty", "unfenced"), proxies, strict=True)
        )
        await asyncio.gather(fenced.let_records_be_left_over(), unfenced.let_records_be_left_over())
        for pair in (fenced, unfenced):  # the harm is done …
            with pytest.raises(AssertionError, match=f"{USERS} of {USERS} histories differ"):
                await pair.check()
        fenced.first.thaw()
        unfenced.first.kill()  # it would go on where it was, and mend what it does not know to be broken
        await asyncio.sleep(altered_worker.SHORT_SPAN_S + 2)
        await fenced.check()  # … and undone
        with pytest.raises(AssertionError, match=f"{USERS} of {USERS} histories differ"):
            await unfenced.check()
        await after_a_recovery(fenced)
    finally:
        for proxy in proxies:
            await proxy.stop()
        await asyncio.to_thread(broker.stop)


@pytest.mark.timeout(300)
async def test_a_worker_that_is_cut_off_past_its_session_and_back_overwrites_nothing(
    make_worker: MakeWorker,
) -> None:
    """It runs on meanwhile, with events in hand; what it had sent by then arrives when it is back."""
    require_apache_kafka()
    port = free_port()
    broker = ApacheKafka(proxied=[port])
    await asyncio.to_thread(broker.start)
    proxy = HoldingProxy(port=port, target=broker.proxied_targets[0])
    try:
        await proxy.start()
        pair = a_pair(make_worker, broker, proxy, app_id="cut", command=altered_worker.command("hasty"))
        pair.first.start()
        await pair.first.ready()
        await send_events(pair.second, one_each("early"))
        await until_settled(pair.second)
        joined = pair.first.log.count("Worker ready")
        await send_events(pair.second, one_each("late"))
        proxy.cut()
        pair.second.start()
        await send_events(pair.second, one_each("last"))
        await until_settled(pair.second)
        proxy.mend()
        if pair.first.is_running:
            await pair.first.says("Worker ready", times=joined + 1, limit_s=60)
        await asyncio.sleep(altered_worker.SHORT_SPAN_S + 2)
        await pair.check()
        await after_a_recovery(pair)
    finally:
        await proxy.stop()
        await asyncio.to_thread(broker.stop)


async def after_a_recovery(pair: Pair) -> None:
    """Who recovers from the changelog goes on from the right state."""
    for worker in (pair.first, pair.second):
        if worker.is_running:
            worker.kill()
        worker.wipe_disk()
    pair.second.start()
    await pair.second.ready()
    await send_events(pair.second, one_each("at last"))
    await until_settled(pair.second)
    await pair.check()


def a_pair(
    make_worker: MakeWorker, broker: ApacheKafka, proxy: HoldingProxy, *, app_id: str, command: Sequence[str]
) -> Pair:
    first, second = (
        make_worker(
            broker,
            name=f"{app_id}-{name}",
            app_id=app_id,
            bootstrap_servers=servers,
            command=command,
            partitions=1,
            settings={"kafka_session_timeout_s": SESSION_S},
        )
        for name, servers in (
            ("first", f"127.0.0.1:{proxy.port}"),
            ("second", broker.bootstrap_servers),
        )
    )
    return Pair(first, second, proxy)
