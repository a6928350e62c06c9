"""Any setting of a model by its name, as text: `width=128`, `loss=binary`, `type_weights=purchase:3`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from models.encoder_config import EncoderConfig
from training.errors import TrainingError
from training.fit_config import FitConfig

_MOMENT = "moment"
_NO_SETTINGS = ("query_time",)
"""What a comparison alone may choose."""


class ModelSettings(NamedTuple):
    """What a model is, and how it is fitted."""

    encoder: EncoderConfig
    fit: FitConfig


def with_settings(settings: ModelSettings, assignments: Iterable[str]) -> ModelSettings:
    """The settings with those of `assignments`, each NAME=VALUE, for any field of the two.

    `none` stands for nothing. Lists have commas: context=moment,device (the hour and the weekday always
    belong to it); type_weights=purchase:3,dislike:-0.5. Raises TrainingError for a name or a value that
    cannot be.
    """
    encoder, fit = settings
    told_of_encoder: dict[str, Any] = {}
    told_of_fit: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise TrainingError(f"{assignment!r} is no NAME=VALUE")
        if name in _names(EncoderConfig):
            told_of_encoder[name] = _value(EncoderConfig, name, text)
        elif name in _names(FitConfig):
            told_of_fit[name] = _value(FitConfig, name, text)
        else:
            known = ", ".join((*_names(EncoderConfig), *_names(FitConfig)))
            raise TrainingError(f"no setting {name!r}; there are {known}")
    try:
        return ModelSettings(replace(encoder, **told_of_encoder), replace(fit, **told_of_fit))
    except ValueError as error:
        raise TrainingError(str(error)) from error


def _names(kind: type) -> list[str]:
    return [field.name for field in fields(kind) if field.name not in _NO_SETTINGS]


def _value(kind: type, name: str, text: str) -> Any:
    wanted = get_type_hints(kind)[name]
    raw: Any = None if text == "none" and name != "validation" else text
    if name == "context" and raw is not None:
        raw = [part for part in text.split(",") if part not in ("", _MOMENT)]
    if name == "type_weights" and raw is not None:
        raw = [part.partition(":")[::2] for part in text.split(",") if part]
    if isinstance(raw, str) and raw.startswith("."):
        raw = f"0{raw}"
    try:
        return msgspec.convert(raw, wanted, strict=False)
    except msgspec.ValidationError as error:
        reason = str(error).partition(" - at ")[0]
        choices = get_args(wanted) if get_origin(wanted) is Literal else ()
        if choices:
            reason = f"there are {', '.join(choices)}"
        raise TrainingError(f"{name}={text}: {reason[0].lower()}{reason[1:]}") from error
