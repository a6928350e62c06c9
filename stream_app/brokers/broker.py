"""What every broker that we start can do."""

from __future__ import annotations

from typing import Protocol


class BrokerError(Exception):
    """A broker could not be found, started or reached; the message says what to do."""


class Broker(Protocol):
    """A broker process on this machine. It dies with the process that started it."""

    @property
    def name(self) -> str:
        """What people call it, for messages."""

    @property
    def durable(self) -> bool:
        """True where records outlive a restart."""

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients; the same before and after a restart."""

    @property
    def pid(self) -> int | None:
        """Process id of the broker, None while it is down."""

    def start(self) -> None:
        """Start and return once it accepts connections. Raises BrokerError."""

    def stop(self) -> None:
        """End it in good order and remove what was temporary. Harmless when it is down."""

    def kill(self) -> None:
        """End it at once, as `kill -9` does; the data stays for a restart."""

    def restart(self) -> None:
        """Start it again on the same port, and on the same data where it is durable."""
