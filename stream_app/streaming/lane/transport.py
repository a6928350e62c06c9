"""The transport that Faust loads by the scheme `millstream://`."""

from __future__ import annotations

from faust.transport.drivers import aiokafka as driver

from stream_app.streaming.lane.consumer import LaneConsumer
from stream_app.streaming.lane.producer import LaneProducer


class LaneTransport(driver.Transport):
    """Faust's aiokafka transport with the lane's consumer and producer."""

    Consumer = LaneConsumer
    Producer = LaneProducer
