"""How a worker comes up, refuses to, and goes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from stream_app.brokers import ApacheKafka, Broker
from stream_app.streaming.topic_admin import create_topics, find_topics
from stream_app.streaming.topics import Topic, plan
from tests.conftest import MakeWorker
from tests.event_stream import send_events, some_events, until_settled
from tests.reference import check_answers, check_histories, expected_histories, find_everything
from tests.worker_process import FAUST, MILLSTREAM, WorkerProcess

BOTH_WAYS = pytest.mark.parametrize("command", [MILLSTREAM, FAUST], ids=["millstream", "faust"])


async def refusal(worker: WorkerProcess) -> tuple[int, str]:
    """The exit code and the last line of a worker that does not come up."""
    worker.start()
    code = await worker.ended(limit_s=60)
    assert "Traceback" not in worker.log
    return code, worker.log.splitlines()[-1]


async def test_the_topics_are_made_as_planned(broker: Broker, make_worker: MakeWorker) -> None:
    worker = make_worker(broker, partitions=3)
    worker.start()
    await worker.ready()

    topics = plan(worker.names, partitions=3)
    found = await find_topics(
        {"bootstrap_servers": broker.bootstrap_servers}, [topic.name for topic in topics]
    )
    assert {name: there.partitions for name, there in found.items()} == {t.name: t.partitions for t in topics}


async def test_a_topic_of_another_size_stops_the_start(broker: Broker, make_worker: MakeWorker) -> None:
    worker = make_worker(broker)
    kafka = {"bootstrap_servers": broker.bootstrap_servers}
    settings = {"cleanup.policy": "delete"}
    await create_topics(kafka, [Topic(name=worker.names.recommendations, partitions=2, settings=settings)])

    code, line = await refusal(worker)

    assert code == 1
    assert line.startswith(f"millstream: topic {worker.names.recommendations} has 2 partitions")


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU here")
async def test_a_device_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    worker = WorkerProcess(
        bootstrap_servers="127.0.0.1:1", app_id="blind", folder=tmp_path, settings={"device": "cuda"}
    )
    code, line = await refusal(worker)
    assert code == 1
    assert line.startswith("millstream: ")
    assert "cuda" in line.lower()


async def test_a_web_port_that_is_taken_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        worker = WorkerProcess(
            bootstrap_servers="127.0.0.1:1", app_id="second", folder=tmp_path, settings={"web_port": port}
        )
        code, line = await refusal(worker)
    assert code == 1
    assert line.startswith(f"millstream: 127.0.0.1:{port} is taken")
    assert "MILLSTREAM_WEB_PORT" in line


@pytest.mark.parametrize(
    ("command", "name", "value"), [(MILLSTREAM, "k", "many"), (FAUST, "history_limit", "999999")]
)
async def test_a_setting_that_makes_no_sense_is_one_line(
    tmp_path: Path, command: Sequence[str], name: str, value: str
) -> None:
    worker = WorkerProcess(
        bootstrap_servers="127.0.0.1:1",
        app_id="odd",
        folder=tmp_path,
        settings={name: value},
        command=command,
    )
    code, line = await refusal(worker)
    assert code == 2
    assert line.startswith("millstream: ")
    assert f"MILLSTREAM_{name.upper()}={value}" in line
    assert worker.log.count("\n") == 1


@BOTH_WAYS
async def test_sigterm_under_load_ends_it_soon_and_nothing_is_lost(
    apache_kafka: ApacheKafka, make_worker: MakeWorker, command: Sequence[str]
) -> None:
    worker = make_worker(apache_kafka, command=command)
    worker.start()
    await worker.ready()
    sending = asyncio.create_task(send_events(worker, some_events(3000), per_second=1000))
    await asyncio.sleep(1.5)

    code, seconds = await worker.stop()

    assert code == 0
    assert seconds <= 5
    await sending
    worker.start()
    await worker.ready()
    await until_settled(worker)
    found = await find_everything(worker)
    expected = expected_histories(found.source)
    check_histories(found, expected)
    check_answers(found, expected)
    triggers = [(one["trigger"]["partition"], one["trigger"]["offset"]) for one in found.recommendations]
    assert len(triggers) == len(set(triggers)), "what was answered before the end was answered again"


async def test_a_state_folder_of_another_app_or_in_use_stops_the_start(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(apache_kafka)
    worker.start()
    await worker.ready()
    state = {"state_dir": worker.disk}
    code, line = await refusal(make_worker(apache_kafka, name="second", settings=state))
    assert code == 1
    assert f"{worker.disk} is in use by another worker (process {worker.pid})" in line
    await worker.stop()

    code, line = await refusal(
        make_worker(apache_kafka, name="third", settings={**state, "app_id": "another-app"})
    )
    assert code == 1
    assert f"holds the state of app {worker.names.app_id}, and this worker is for another-app" in line


@pytest.mark.parametrize("which", ["events", "recommendations"])
async def test_a_topic_that_vanishes_ends_a_running_worker_with_one_line(
    broker: Broker, make_worker: MakeWorker, which: str
) -> None:
    worker = make_worker(broker)
    worker.start()
    await worker.ready()
    topic = getattr(worker.names, which)
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    await admin.delete_topics([topic])
    await admin.close()
    assert await worker.ended(limit_s=60) == 1
    assert worker.log.splitlines()[-1].startswith(f"millstream: topic {topic} has vanished; create it")
