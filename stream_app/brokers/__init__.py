"""Brokers that Millstream starts itself: the embedded one, and Apache Kafka on this machine."""

from stream_app.brokers.apache import ApacheKafka
from stream_app.brokers.broker import Broker, BrokerError
from stream_app.brokers.embedded import EmbeddedBroker

__all__ = ["ApacheKafka", "Broker", "BrokerError", "EmbeddedBroker"]
