from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream_app.brokers import ApacheKafka, Broker, BrokerError, EmbeddedBroker
from stream_app.brokers.apache_jars import cache_folder, fetch_jars, find_java
from stream_app.brokers.ports import accepts_connections, free_port, wait_until_closed
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import Topic

TOPIC = Topic(name="t", partitions=1, settings={"cleanup.policy": "delete"})


def address(broker: Broker) -> tuple[str, int]:
    host, _, port = broker.bootstrap_servers.rpartition(":")
    return host, int(port)


async def write(broker: Broker, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait("t", value)
    finally:
        await producer.stop()


async def read(broker: Broker, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition("t", 0)])
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_records_outlive_a_kill_where_the_broker_is_durable(own_broker: Broker) -> None:
    await create_topics({"bootstrap_servers": own_broker.bootstrap_servers}, [TOPIC])
    await write(own_broker, b"before")
    before = own_broker.bootstrap_servers
    pid = own_broker.pid
    own_broker.kill()
    assert own_broker.pid is None
    assert not accepts_connections(*address(own_broker))
    own_broker.restart()
    assert own_broker.bootstrap_servers == before
    assert own_broker.pid not in (None, pid)
    if own_broker.durable:
        await write(own_broker, b"after")
        assert await read(own_broker, 2) == [b"before", b"after"]
    else:
        await create_topics({"bootstrap_servers": own_broker.bootstrap_servers}, [TOPIC])
        await write(own_broker, b"after")
        assert await read(own_broker, 1) == [b"after"]


def test_stopping_leaves_no_process_no_port_and_no_folder(own_broker: Broker, tmp_path: Path) -> None:
    assert own_broker.pid is not None
    process = psutil.Process(own_broker.pid)
    folder = Path(process.cwd())
    assert folder.is_dir()
    own_broker.stop()
    assert not process.is_running()
    assert not accepts_connections(*address(own_broker))
    assert not folder.exists()
    own_broker.stop()  # harmless


def test_a_frozen_broker_can_be_stopped(own_broker: Broker) -> None:
    assert own_broker.pid is not None
    process = psutil.Process(own_broker.pid)
    process.send_signal(signal.SIGSTOP)
    own_broker.stop()
    assert not process.is_running()


@pytest.mark.parametrize("kind", [EmbeddedBroker, ApacheKafka])
def test_a_taken_port_is_one_line(kind: type[EmbeddedBroker] | type[ApacheKafka], broker: Broker) -> None:
    second = kind(port=address(broker)[1])
    try:
        with pytest.raises(BrokerError, match=r"is taken on 127.0.0.1; choose another"):
            second.start()
    finally:
        second.stop()


_START_AND_WAIT = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from stream_app.brokers import EmbeddedBroker
broker = EmbeddedBroker()
with ThreadPoolExecutor(1) as thread:   # a thread that ends at once
    thread.submit(broker.start).result()
print(broker.bootstrap_servers, broker.pid, flush=True)
time.sleep(60)
"""


def test_a_broker_outlives_the_thread_that_started_it_and_dies_with_the_process(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", _START_AND_WAIT],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert starter.stdout is not None
        servers, pid = starter.stdout.readline().split()
        host, _, port = servers.rpartition(":")
        time.sleep(0.3)
        assert accepts_connections(host, int(port))
        starter.kill()
        assert wait_until_closed(host, int(port), timeout_s=5)
        assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
    finally:
        starter.kill()
        starter.wait()
        assert starter.stdout is not None
        starter.stdout.close()


def test_a_tansu_that_cannot_be_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"MILLSTREAM_TANSU=.* is no executable file"):
        EmbeddedBroker(binary=str(tmp_path / "tansu")).start()


def test_a_broker_that_ends_at_its_start_tells_its_last_words(tmp_path: Path) -> None:
    script = tmp_path / "tansu"
    script.write_text("#!/bin/sh\necho first; echo the disk is gone >&2; exit 3\n")
    script.chmod(0o755)
    broker = EmbeddedBroker(binary=str(script))
    try:
        with pytest.raises(BrokerError, match="ended at its start with code 3: the disk is gone"):
            broker.start()
    finally:
        broker.stop()


def test_the_jars_are_fetched_once(apache_kafka: ApacheKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    java = find_java()
    monkeypatch.setenv("PATH", os.path.dirname(java))
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert fetch_jars().parent == cache_folder()  # no Maven any more, and none needed


def test_without_java_or_maven_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(BrokerError, match=r"needs Java.*apt install default-jre-headless maven"):
        find_java()
    with pytest.raises(BrokerError, match=r"Maven.*apt install default-jre-headless maven"):
        fetch_jars(tmp_path)


def test_free_ports_are_no_ports_of_outgoing_connections() -> None:
    assert all(free_port() < 32_768 for _ in range(50))


def test_free_ports_are_not_drawn_from_a_generator_that_others_seed() -> None:
    drawn = []
    for _ in range(2):
        random.seed(0)  # as a trainer does
        drawn.append([free_port() for _ in range(5)])
    assert drawn[0] != drawn[1]


def test_waiting_for_a_port_to_close_ends(embedded_broker: EmbeddedBroker) -> None:
    assert not wait_until_closed(*address(embedded_broker), timeout_s=0.1)


def test_commands_of_a_broker_in_the_foreground_end_with_ctrl_c(tmp_path: Path) -> None:
    from tests.command import MILLSTREAM

    command = subprocess.Popen(
        [MILLSTREAM, "broker", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert command.stdout is not None
        line = command.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:")
        port = int(line.rpartition(":")[2])
        assert accepts_connections("127.0.0.1", port)
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=10)
        assert command.returncode == 0, errors
        assert errors == "stopping\n"
        assert not accepts_connections("127.0.0.1", port)
    finally:
        command.kill()
        command.communicate()


def test_apache_kafka_in_the_foreground_keeps_its_data(apache_kafka: ApacheKafka, tmp_path: Path) -> None:
    from tests.command import MILLSTREAM

    port = free_port()
    data = tmp_path / "data"
    for values in ([b"1"], [b"1", b"2"]):
        command = subprocess.Popen(
            [MILLSTREAM, "broker", "--apache", "--port", str(port), "--data", str(data)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert command.stdout is not None
            assert command.stdout.readline() == f"listening on 127.0.0.1:{port}\n"
            broker = ApacheKafka(port=port)
            asyncio.run(create_topics({"bootstrap_servers": broker.bootstrap_servers}, [TOPIC]))
            asyncio.run(write(broker, values[-1]))
            assert asyncio.run(read(broker, len(values))) == values
            command.terminate()
            assert command.wait(20) == 0
        finally:
            command.kill()
            command.communicate()
