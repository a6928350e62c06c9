"""Where settings come from: reading them, and telling of each where it was set."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from stream_app.settings import PREFIX, Settings


class SettingsError(Exception):
    """A setting that cannot be used: its name, its value, what is allowed."""

    exit_code = 2  # wrong use, not a failure


def load_settings(*, config: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings: `overrides` before the environment before the file before the defaults.

    The file is `config`, else the one named by MILLSTREAM_CONFIG; there is none by default.

    Raises:
        SettingsError: one readable line.
    """
    path = config_path(config)
    in_file = read_config(path) if path else {}

    class WithFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, in_file)

    _refuse_misspelt_variables()
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        return WithFile(**given)
    except ValidationError as invalid:
        raise SettingsError(_one_line(invalid, overrides=given, path=path)) from None


def config_path(config: Path | None = None) -> Path | None:
    """The settings file in use, if there is one."""
    named = os.environ.get(f"{PREFIX}CONFIG")
    return config or (Path(named) if named else None)


def read_config(path: Path) -> dict[str, Any]:
    """Settings of a TOML file; a table `[kafka]` with `wait_s` is `kafka_wait_s`. Raises SettingsError."""
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise SettingsError(f"the settings file {path} is not there; name another with --config") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error}; it should be TOML") from None
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= (
            {f"{name}_{inner}": v for inner, v in value.items()} if isinstance(value, dict) else {name: value}
        )
    for name in flat:
        if name not in Settings.model_fields:
            raise SettingsError(f"{name} in {path} is no setting{_did_you_mean(name, prefix='')}")
    return flat


def sources(
    settings: Settings, *, config: Path | None = None, overrides: Mapping[str, Any]
) -> dict[str, str]:
    """Of every setting, where its value comes from."""
    path = config_path(config)
    in_file = read_config(path) if path else {}
    return {
        name: _source(name, overrides=overrides, in_file=in_file, path=path)
        for name in type(settings).model_fields
    }


def shown(settings: Settings) -> dict[str, Any]:
    """Every setting as plain values, secrets hidden."""
    return settings.model_dump(mode="json")


def as_environment(settings: Settings) -> dict[str, str]:
    """The variables that give another process the same settings, secrets included."""
    variables = {}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if value == field.default or value is None:
            continue
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        variables[f"{PREFIX}{name.upper()}"] = ",".join(value) if isinstance(value, tuple) else str(value)
    return variables


def _source(name: str, *, overrides: Mapping[str, Any], in_file: Mapping[str, Any], path: Path | None) -> str:
    if overrides.get(name) is not None:
        return "command line"
    if os.environ.get(f"{PREFIX}{name.upper()}"):
        return "environment"
    return str(path) if name in in_file else "default"


def _one_line(invalid: ValidationError, *, overrides: Mapping[str, Any], path: Path | None) -> str:
    error = invalid.errors()[0]
    fact = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
    own_words = error["type"] == "value_error"
    if not error["loc"]:
        return fact
    name = str(error["loc"][0])
    if name in overrides:
        where = f"--{name.replace('_', '-')}"
    elif os.environ.get(f"{PREFIX}{name.upper()}"):
        where = f"{PREFIX}{name.upper()}"
    else:
        where = f"{name} in {path}"
    value = "(hidden)" if "password" in name else error["input"]
    meaning = Settings.model_fields[name].description if name in Settings.model_fields else None
    return f"{where}={value}: {fact}" + ("" if own_words or not meaning else f" ({meaning})")


def _refuse_misspelt_variables() -> None:
    """A variable that is nearly a setting's is a mistake; MILLSTREAM_SERVICE_HOST may be a cluster's."""
    for variable in os.environ:
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name not in Settings.model_fields and name != "config":
            hint = _did_you_mean(name, prefix=PREFIX)
            if hint:
                raise SettingsError(f"{variable} is no setting{hint}")


def _did_you_mean(name: str, *, prefix: str) -> str:
    close = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.85)
    if not close:
        return ""
    return f"; did you mean {prefix}{close[0].upper() if prefix else close[0]}?"
