"""What tests keep on disk goes where it is removed again."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache is an empty folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MILLSTREAM_CACHE", str(folder))
    return folder
