from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from stream_app.bench.processes import BenchError, MeasuredProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched as Linux does it")
CORE = min(os.sched_getaffinity(0)) if sys.platform == "linux" else 0


def start(code: str, folder: Path) -> MeasuredProcess:
    return MeasuredProcess(
        [sys.executable, "-c", code], core=CORE, environment={"A": "1"}, log=folder / "log"
    )


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_its_processor_time_and_memory_are_seen(tmp_path: Path) -> None:
    done = tmp_path / "done"
    code = (
        "import os, time, pathlib; kept = bytearray(b'x' * 200_000_000)\n"
        "while time.process_time() < 0.3: pass\n"
        f"pathlib.Path({str(done)!r}).touch(); time.sleep(60)"
    )
    begun = time.time()
    with start(code, tmp_path) as process:
        wait_for(done)
        time.sleep(0.1)
    assert 0.2 < process.cpu_s_between(begun, time.time()) < 3
    assert process.rss_mb > 200


def test_it_runs_on_its_core_with_its_environment(tmp_path: Path) -> None:
    found = tmp_path / "found"
    code = f"import os; open({str(found)!r}, 'w').write(f'{{os.sched_getaffinity(0)}} {{os.environ[\"A\"]}}')"
    with start(code, tmp_path):
        wait_for(found)
        time.sleep(0.1)
    assert found.read_text() == f"{ {CORE} } 1"


def test_one_that_ended_is_told_with_its_last_words(tmp_path: Path) -> None:
    with start("raise SystemExit('no such luck')", tmp_path) as process:
        deadline = time.monotonic() + 30
        with pytest.raises(BenchError, match=r"code 1(.|\n)*no such luck"):
            while time.monotonic() < deadline:
                process.check()
                time.sleep(0.02)
