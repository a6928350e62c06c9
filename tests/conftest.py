"""What many tests share: the two brokers, each started once, and names of one's own on them."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stream_app.brokers import ApacheKafka, Broker, EmbeddedBroker
from stream_app.brokers.apache_jars import REMEDY
from tests.shared_kafka import RunningKafka, SharedKafka, ask_for, start_java_sooner
from tests.worker_process import WorkerProcess

MakeWorker = Callable[..., WorkerProcess]
# A test's broker lives for seconds: compiled quickly rather than well, it starts in half the processor time.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
HERE = Path(__file__).parent
_SHARED_KAFKA, _ARCHIVE = "shared_kafka", "class_archive"
_KAFKA = pytest.StashKey[SharedKafka]()
BROKERS = {"embedded": EmbeddedBroker, "apache": ApacheKafka}


def require_apache_kafka() -> None:
    """Skip the test where Apache Kafka cannot run; on continuous integration let it fail instead."""
    on_ci = os.environ.get("CI", "").lower() in ("true", "1")
    if not on_ci and not (shutil.which("java") and shutil.which("mvn")):
        pytest.skip(f"needs Apache Kafka: {REMEDY}")


if "PYTEST_XDIST_WORKER" in os.environ:
    gc.disable()  # while it collects the tests: their imports make a million objects, and none is garbage


def pytest_configure(config: pytest.Config) -> None:
    """Where several processes test, this one has the Apache Kafka for all of them."""
    if getattr(config.option, "numprocesses", None):
        folder = Path(tempfile.mkdtemp(prefix="millstream-tests-"))
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        config.stash[_KAFKA] = SharedKafka(folder)
        config.add_cleanup(config.stash[_KAFKA].stop)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process that tests where to ask for the Apache Kafka."""
    if (kafka := node.config.stash.get(_KAFKA, None)) is not None:
        node.workerinput[_SHARED_KAFKA] = kafka.address
        node.workerinput[_ARCHIVE] = str(kafka.archive)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What it starts in Java starts as soon as it can."""
    if archive := getattr(item.config, "workerinput", {}).get(_ARCHIVE):
        start_java_sooner(Path(archive))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files of each kind over the run: those that wait for brokers then leave the processors to
    those that compute, and do not stand in each other's way. The last are short ones."""
    of_kind: dict[str, list[Path]] = {}
    for path in dict.fromkeys(item.path for item in items):
        of_kind.setdefault(path.relative_to(HERE).parts[0], []).append(path)
    place = {
        path: (number + 0.5) / len(paths) * (1.0 if kind == "unit" else 0.85)
        for kind, paths in of_kind.items()
        for number, path in enumerate(paths)
    }
    items.sort(key=lambda item: place[item.path])


def pytest_collection_finish() -> None:
    """What was imported stays, and need not be looked at again."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Some of it says at the end that it was not collected."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """One embedded broker for the whole run; do not stop it (see `own_broker`)."""
    broker = EmbeddedBroker()
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def apache_kafka(request: pytest.FixtureRequest) -> Iterator[ApacheKafka | RunningKafka]:
    """One Apache Kafka for the whole run; do not stop it (see `own_broker`)."""
    require_apache_kafka()
    if told := getattr(request.config, "workerinput", {}).get(_SHARED_KAFKA):
        yield ask_for(told)
        return
    broker = ApacheKafka()
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=list(BROKERS))
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each of the two shared brokers in turn: a test that takes this runs on both."""
    shared = {"embedded": "embedded_broker", "apache": "apache_kafka"}[request.param]
    return request.getfixturevalue(shared)  # type: ignore[no-any-return]


@pytest.fixture(params=list(BROKERS))
def own_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """Each kind of broker in turn, started, for this test alone: it may be stopped, killed, restarted."""
    if request.param == "apache":
        require_apache_kafka()
    broker = BROKERS[request.param]()
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def app_id() -> str:
    """A name that no other test uses: app id and topic prefix on a shared broker."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person at this machine has set shall not change what a test finds."""
    for name in [name for name in os.environ if name.startswith("MILLSTREAM_")]:
        if name not in ("MILLSTREAM_CACHE", "MILLSTREAM_TANSU"):
            monkeypatch.delenv(name)


@pytest.fixture
def make_worker(tmp_path: Path, app_id: str) -> Iterator[MakeWorker]:
    """Makes worker processes of one app (see WorkerProcess); none of them outlives the test."""
    made: list[WorkerProcess] = []

    def make(broker: Broker, *, name: str = "worker", **options: Any) -> WorkerProcess:
        of_the_test = {"bootstrap_servers": broker.bootstrap_servers, "app_id": app_id}
        worker = WorkerProcess(**{**of_the_test, **options}, folder=tmp_path, name=name)
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.clean_up()
