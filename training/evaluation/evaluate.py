"""A whole evaluation: filter, plan, fit, ask, and sum up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from training.dataset import HistoryRules
from training.evaluation.attention_maps import attention_maps
from training.evaluation.categories import category_matrix
from training.evaluation.judging import TIME_LIMIT_S, judge
from training.evaluation.plan import Round
from training.evaluation.planning import Prepared, ProtocolConfig, prepare
from training.evaluation.recommender import Attentive, Recommender
from training.evaluation.results import rows_of
from training.evaluation.split_files import write_split
from training.interactions import Interactions
from training.rivals.named import ItemFields

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Given how many questions there are at most; gives a function that is told how many are answered."""


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What is asked and how long the lists are.

    `sampled` ranks targets among so many drawn items; `time_limit_s` is how long a recommender may answer
    before it gets a sample of the users; `split_folder` gets the rows of each round; `maps` is of how many
    users the models' attention is told.
    """

    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    ks: tuple[int, ...] = (10,)
    sampled: int | None = None
    time_limit_s: float = TIME_LIMIT_S
    split_folder: Path | None = None
    maps: int = 0


def evaluate(
    log: Interactions,
    contestants: Callable[[Prepared], Sequence[Recommender]],
    *,
    config: EvaluationConfig,
    rules: HistoryRules,
    items: ItemFields | None = None,
    progress: Progress = lambda total: nullcontext(lambda done: None),
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Compare `contestants`, which are made when the plan is known, and give the report as a dictionary:

    {protocol, definition, data: {interactions, users, items, first_timestamp, last_timestamp, rejected,
    filters}, seed, ks, results: rows as of `results.rows_of`, attention: [{user, items, titles, maps: {name:
    rows of shares}}] where `config.maps` asks for it}

    Raises NothingToJudge where the log is too small for the protocol.
    """
    prepared = prepare(log, config.protocol, rules=rules)
    plan = prepared.plan
    for line in prepared.filters:
        say(line)
    if not plan.log.has_times:
        say("all events have one time: the order of the rows stands for it")
    recommenders = contestants(prepared)
    answered, rounds = 0, list[Round]()
    with progress(plan.at_most) as told:

        def done(questions: int) -> None:
            nonlocal answered
            answered += questions
            told(answered)

        asked, judged = judge(
            plan,
            recommenders,
            k=max(config.ks),
            seed=config.protocol.seed,
            sampled=config.sampled,
            time_limit_s=config.time_limit_s,
            say=say,
            done=done,
            finished=rounds.append if config.split_folder is not None else lambda round_: None,
        )
    if config.split_folder is not None:
        for number, round_ in enumerate(rounds, start=1):
            name = f"round-{number}" if len(rounds) > 1 else ""
            write_split(config.split_folder / name, round_, asked)
    rows = rows_of(
        plan,
        asked,
        judged,
        ks=config.ks,
        categories=category_matrix(plan.log.items, items) if items else None,
        sampled=config.sampled,
    )
    return {
        "protocol": plan.protocol,
        "definition": plan.definition,
        "data": _facts(plan.log, log, prepared.filters),
        "seed": config.protocol.seed,
        "ks": list(config.ks),
        "results": rows,
        **({"attention": _looks(prepared, recommenders, config, items or {})} if config.maps else {}),
    }


def _looks(
    prepared: Prepared, recommenders: Sequence[Recommender], config: EvaluationConfig, items: ItemFields
) -> list[dict[str, Any]]:
    models = [one.served for one in recommenders if isinstance(one, Attentive) and one.served is not None]
    found = attention_maps(
        models, prepared.plan.log, rules=prepared.rules, users=config.maps, seed=config.protocol.seed
    )
    return [
        {
            "user": one.user,
            "items": list(one.items),
            "titles": [str(items.get(item, {}).get("title") or item) for item in one.items],
            "maps": {name: np.round(shares, 4).tolist() for name, shares in one.maps.items()},
        }
        for one in found
    ]


def _facts(kept: Interactions, log: Interactions, filters: Sequence[str]) -> dict[str, Any]:
    times = kept.timestamp_ms if kept.has_times else None
    return {
        "interactions": len(kept),
        "users": len(np.unique(kept.user)),
        "items": len(np.unique(kept.item)),
        "first_timestamp": None if times is None else int(times.min()),
        "last_timestamp": None if times is None else int(times.max()),
        "rejected": dict(log.rejected),
        "filters": list(filters),
    }
