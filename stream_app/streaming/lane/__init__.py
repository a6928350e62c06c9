"""The batch lane: Faust's engine with whole fetched record lists instead of one message at a time.

Faust keeps the app, the assignor, the tables, the changelogs, recovery, standbys, the web server and the
command line. Through its plug-in registries the lane replaces what happens per message: the consumer hands
record lists of one partition to a `Lane`, recovery writes record lists, and the store reads and writes
batches.

The internals that this leans on are pinned by test_faust_internals.py and test_aiokafka_internals.py in
tests/contract.
"""

from __future__ import annotations

from faust.stores import STORES
from faust.transport.drivers import TRANSPORTS

TRANSPORT_SCHEME = "millstream"
STORE_SCHEME = "millstream-rocksdb"


def register() -> None:
    """Make the lane's transport and store known to Faust by their schemes."""
    TRANSPORTS.aliases[TRANSPORT_SCHEME] = "stream_app.streaming.lane.transport:LaneTransport"
    STORES.aliases[STORE_SCHEME] = "stream_app.streaming.lane.store:BatchStore"
