"""A whole run: a folder, a broker, the demo in it, and the end of all three in good order."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from stream_app.brokers import ApacheKafka, Broker, EmbeddedBroker
from stream_app.demo.interruption import Interruption
from stream_app.demo.orchestration import Demo, DemoPlan, View
from stream_app.demo.progress import Progress
from stream_app.demo.surroundings import Surroundings


def run(plan: DemoPlan, *, progress: Progress, view: View, apache: bool) -> None:
    """Perform the demo in the progress' folder.

    Raises:
        DemoFailed, BrokerError, Interrupted; whatever it is, no process is left.
    """
    folder = progress.folder
    # The view owns the terminal; what clients have to say about a broker that ends belongs in a file.
    logging.basicConfig(filename=folder / "demo.log", level=logging.WARNING)
    broker = _broker(folder, apache=apache)
    demo: Demo | None = None
    with Interruption() as interruption:
        try:
            broker.start()
            surroundings = Surroundings.of(folder, bootstrap_servers=broker.bootstrap_servers)
            demo = Demo(plan, progress=progress, surroundings=surroundings, broker=broker)
            asyncio.run(demo.perform(view, interruption))
        finally:
            interruption.ignore()
            if demo is not None:
                demo.end()
            broker.stop()


def _broker(folder: Path, *, apache: bool) -> Broker:
    place = folder / "broker"
    place.mkdir(parents=True, exist_ok=True)
    if apache:
        return ApacheKafka(data=place)
    return EmbeddedBroker(folder=place, binary=os.environ.get("MILLSTREAM_TANSU"))
