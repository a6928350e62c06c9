"""The rival: Quix Streams, with the work of the worker without a model as a stateful function.

An event at a time, since that is its interface (see `one_event`); history and last list lie in its own
RocksDB state with its changelog, and both are committed with the offsets once a second. Values go in and out
as bytes: its own JSON is not what is measured.

Run by the Python of an environment of its own (see `quix_environment`), with the worker's settings in the
environment and this project on PYTHONPATH. It is a rival and no product: it sends no dead letters.
"""

from __future__ import annotations

from typing import Any

from quixstreams import Application, State, message_context

from stream_app.bench.one_event import Answer, OneEvent
from stream_app.settings_sources import load_settings
from stream_app.streaming.topics import TopicNames


def main() -> None:
    """Run until a signal."""
    settings = load_settings()
    names = TopicNames(app_id=settings.app_id, prefix=settings.topic_prefix)
    work = OneEvent(settings, source_topic=names.events)
    app = Application(
        settings.kafka_bootstrap_servers,
        consumer_group=settings.app_id,
        auto_offset_reset="earliest",
        auto_create_topics=True,  # its changelog; the others are there
        commit_interval=1.0,
        state_dir=settings.state_dir,
    )

    def answer(value: bytes, key: bytes, timestamp: int, headers: Any, state: State) -> Answer | None:
        at = message_context()
        event = work.decode(key, value, offset=at.offset, timestamp_ms=timestamp)
        if event is None:
            return None
        found = work.answer(
            event,
            partition=at.partition,
            before=state.get_bytes("history"),
            given=state.get_bytes("lists"),
        )
        if found is not None:
            state.set_bytes("history", found.history)
            state.set_bytes("lists", found.lists)
        return found

    def topic(name: str) -> Any:
        return app.topic(name, key_serializer="bytes", value_serializer="bytes")

    events = app.topic(names.events, key_deserializer="bytes", value_deserializer="bytes")
    answers = app.dataframe(events).apply(answer, stateful=True, metadata=True)
    answers = answers.filter(lambda found: found is not None)
    answers.apply(lambda found: found.recommendation).to_topic(topic(names.recommendations))
    answers = answers.filter(lambda found: found.outcome is not None)
    answers.apply(lambda found: found.outcome).to_topic(topic(names.outcomes))
    app.run()


if __name__ == "__main__":
    main()
