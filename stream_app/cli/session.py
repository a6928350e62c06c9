"""What every command does alike: read the settings, report, wait for the broker."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from stream_app.settings import Settings
from stream_app.settings_sources import load_settings
from stream_app.streaming.topics import TopicNames

AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object as the last line; the rest goes to stderr.")
]


def settings_of(ctx: typer.Context, **overrides: Any) -> Settings:
    """The settings, `--config` included; `overrides` that are None do not count. Raises SettingsError."""
    return load_settings(config=ctx.find_root().obj, overrides=overrides)


def topic_names(settings: Settings) -> TopicNames:
    """The topics' names under these settings."""
    return TopicNames(app_id=settings.app_id, prefix=settings.topic_prefix)


def say(line: str) -> None:
    """A line for the person, not for a program."""
    print(line, file=sys.stderr, flush=True)


def answer(text: str, facts: Mapping[str, Any], *, as_json: bool) -> None:
    """The command's result on stdout: `text` for people, or `facts` as one JSON object."""
    print(json.dumps(facts, ensure_ascii=False) if as_json else text, flush=True)


async def connect(settings: Settings) -> dict[str, Any]:
    """aiokafka's arguments, once a broker answers. Raises NoBroker."""
    from stream_app.streaming.topic_admin import await_broker

    # A broker that goes away is ours to report, once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    kafka = settings.kafka_kwargs()
    await await_broker(kafka, limit_s=settings.kafka_wait_s, say=say)
    return kafka
