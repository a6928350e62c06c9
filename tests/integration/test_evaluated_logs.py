"""`millstream evaluate` on logs that are broken, or odd."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.integration.test_evaluation_commands import RIVALS, START_MS, Run, run

__all__ = ["run"]

BAD_LOGS: dict[str, tuple[str, str]] = {
    # name: content, what is said
    "empty.csv": ("", "empty"),
    "header.csv": ("user_id,item_id,timestamp\n", "no usable rows"),
    "words.csv": ("user_id,item_id,timestamp\nu,a,yesterday\nu,b,today\n", "timestamp missing or no time"),
    "types.csv": ("user_id,item_id,timestamp,type\nu,a,1600000000000,stare\n", "unknown type"),
    "one_row.csv": ("user_id,item_id,timestamp\nu,a,1600000000000\n", "1 events leave"),
}


@pytest.mark.parametrize("name", list(BAD_LOGS))
def test_a_log_that_is_no_use_is_one_clear_line(run: Run, tmp_path: Path, name: str) -> None:
    content, said = BAD_LOGS[name]
    (tmp_path / name).write_text(content)
    code, out, err = run(name, "--models", "popularity")
    assert (code, out) == (1, "")
    assert said in err and err.splitlines()[-1].startswith("millstream: ")
    assert "Traceback" not in err


def test_a_truncated_gzip_is_one_line_with_its_file(run: Run, tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(f"{n} {n % 7}" for n in range(5000)).encode())
    (tmp_path / "order.txt.gz").write_bytes(whole[: len(whole) // 2])
    code, out, err = run("order.txt.gz", "--protocol", "leave-one-out", "--models", "popularity")
    assert (code, out) == (1, "") and "order.txt.gz: not readable" in err


def _log(rows: list[tuple[str, str, int]]) -> str:
    return "user_id,item_id,timestamp\n" + "".join(f"{u},{i},{START_MS + t}\n" for u, i, t in rows)


ODD_LOGS: dict[str, str] = {
    "one user": _log([("u", f"i{n}", n) for n in range(30)]),
    "one item": _log([(f"u{n}", "a", n) for n in range(30)]),
    "one millisecond": _log([(f"u{n % 6}", f"i{n % 5}", 0) for n in range(30)]),
    "five items": _log([(f"u{n % 6}", f"i{(n * n) % 5}", n) for n in range(30)]),
    "new users and items at the end": _log(
        [(f"u{n % 5}", f"i{n % 7}", n) for n in range(30)]
        + [(f"v{n % 2}", f"j{n}", 30 + n) for n in range(8)]
    ),
    "every row twice": _log([(f"u{n % 6}", f"i{n % 7}", n) for n in range(30) for _ in range(2)]),
}


NOTHING_TO_JUDGE = (
    "the user took before; nothing can be asked for",
    "no event of the tested part can be judged",
    "users with two events are too few for",
    "all events have one time",
    "nobody with a history comes back after the cut",
    "no user has 3 events",
)


@pytest.mark.parametrize("protocol", ["prequential", "leave-one-out", "temporal", "k-fold"])
@pytest.mark.parametrize("name", list(ODD_LOGS))
def test_odd_logs_give_a_sensible_result_or_one_clear_line(
    run: Run, tmp_path: Path, name: str, protocol: str
) -> None:
    (tmp_path / "odd.csv").write_text(ODD_LOGS[name])
    (tmp_path / "half.csv").write_text("item_id,title,categories\ni0,Film,A\ni2,Other,B\n")
    models = f"attention,{RIVALS},neumf,biased-mf"
    code, out, err = run(
        *("odd.csv", "--protocol", protocol, "--models", models, "--items", "half.csv", "--json"),
        *("--folds", "2", "--k-core", "1", "--epochs", "1"),
    )
    assert "Traceback" not in err
    if code:
        assert (code, out) == (1, "")
        last = err.splitlines()[-1]
        assert last.startswith("millstream: ") and any(reason in last for reason in NOTHING_TO_JUDGE), last
        return
    for row in json.loads(out.splitlines()[-1])["results"]:
        assert row["not_applicable"] or row["events"]
        for cell in row["metrics"].values():
            assert -1e-9 <= cell["low"] <= cell["value"] + 1e-9 <= cell["high"] + 2e-9 <= 1 + 1e-8
