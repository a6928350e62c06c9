"""Where Apache Kafka's jars come from: Maven, once, into a cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from stream_app.brokers.broker import BrokerError

POM = Path(__file__).parents[2] / "deploy" / "kafka" / "pom.xml"
REMEDY = "install Java 17 or newer and Maven (Debian: apt install default-jre-headless maven)"


def cache_folder() -> Path:
    """`MILLSTREAM_CACHE`, else `millstream` in the user's cache folder."""
    named = os.environ.get("MILLSTREAM_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "millstream"


def find_java() -> str:
    """The Java executable. Raises BrokerError where there is none."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home) / "bin" / "java")) if home else None
    java = java or shutil.which("java")
    if java is None:
        raise BrokerError(f"Apache Kafka needs Java, and there is none here; {REMEDY}")
    return java


def fetch_jars(cache: Path | None = None) -> Path:
    """The folder with Kafka's jars (43 MB), fetched once for each version of the pom.

    Raises:
        BrokerError: no Maven, no pom (not run from a checkout), or Maven failed.
    """
    if not POM.is_file():
        raise BrokerError(f"{POM} is missing; run Apache Kafka from a checkout of Millstream")
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    jars = (cache or cache_folder()) / f"kafka-{digest}"
    if jars.is_dir():
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError(f"Apache Kafka's jars are fetched with Maven, and there is none here; {REMEDY}")
    jars.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: another process may be fetching too.
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetching-") as staging:
        target = Path(staging) / "jars"
        command = [maven, "--batch-mode", "-q", "-f", str(POM), "dependency:copy-dependencies"]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={target}"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0 or not any(target.glob("kafka_*.jar")):
            lines = [line for line in done.stdout.splitlines() if "ERROR" in line] or ["no reason given"]
            raise BrokerError(f"Maven could not fetch Apache Kafka: {lines[0][:300]}; is there a network?")
        try:
            target.rename(jars)
        except OSError:
            if not jars.is_dir():  # else another process was faster
                raise
    return jars
