"""Ports for servers on this machine."""

from __future__ import annotations

import random
import socket
import time

# Below the range from which Linux and macOS take the ports of outgoing connections: a client that
# reconnects while its broker is down could otherwise be given the broker's own port, and keep it.
_LOWEST, _HIGHEST = 20_000, 32_000

# Not the module's own generator: a trainer seeds that, and two processes with one seed draw the same ports.
_choose = random.SystemRandom()


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on at `host`. Raises OSError after a hundred that were taken."""
    for _ in range(100):
        port = _choose.randint(_LOWEST, _HIGHEST)
        if not is_taken(host, port):
            return port
    raise OSError(f"no free port found on {host} between {_LOWEST} and {_HIGHEST}")


def is_taken(host: str, port: int) -> bool:
    """True when a listener could not be opened on `host:port`. Raises OSError where there is no such host."""
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with socket.socket(family, kind, protocol) as probe:
            # As brokers do, so that connections of an ended broker in TIME_WAIT do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError:
                return True
    return False


def accepts_connections(host: str, port: int, *, timeout_s: float = 1.0) -> bool:
    """True when somebody listens on `host:port`."""
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError:
        return False
    return True


def wait_until_closed(host: str, port: int, *, timeout_s: float) -> bool:
    """Wait until nobody listens on `host:port`; False when somebody still does."""
    deadline = time.monotonic() + timeout_s
    while accepts_connections(host, port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
