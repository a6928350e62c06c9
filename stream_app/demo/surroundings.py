"""What the demo's processes are told: their broker, folders and ports; none of the person's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stream_app.brokers.ports import free_port
from stream_app.settings import PREFIX, Settings
from stream_app.streaming.topics import TopicNames

K = 10
PARTITIONS = 4
TOPICS = TopicNames(app_id="millstream-demo")
POSITIVE_TYPES: frozenset[str] = frozenset(Settings.model_fields["positive_types"].default)

_KEPT = {f"{PREFIX}{name}" for name in ("DEVICE", "TANSU", "CACHE", "LOG_LEVEL")}


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """One demo's own."""

    folder: Path
    bootstrap_servers: str
    web_port: int

    @classmethod
    def of(cls, folder: Path, *, bootstrap_servers: str) -> Surroundings:
        """In this folder, with this broker, on a free port."""
        return cls(folder=folder, bootstrap_servers=bootstrap_servers, web_port=free_port())

    @property
    def kafka(self) -> dict[str, str]:
        """aiokafka's arguments."""
        return {"bootstrap_servers": self.bootstrap_servers}

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The environment of the demo's processes: a broker of one's own must not get the demo's events."""
        own = {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "APP_ID": TOPICS.app_id,
            "PARTITIONS": str(PARTITIONS),
            "REGISTRY": str(self.folder / "registry"),
            "STATE_DIR": str(self.folder / "state"),
            "WEB_PORT": str(self.web_port),
            "K": str(K),
            # Every event is answered and judged, so that a figure does not depend on how chunks fell.
            "EMIT": "each",
            # People of the sample come back after years; what they saw then is not to be recommended again.
            "HISTORY_DAYS": "36500",
        }
        kept = {
            name: value for name, value in inherited.items() if not name.startswith(PREFIX) or name in _KEPT
        }
        return kept | {f"{PREFIX}{name}": value for name, value in own.items()}
