"""From a log and a protocol's name to a plan: filters first, then who is asked what."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from models.bundle.signature import EVENT_TYPES
from models.encoder_config import QueryTime
from training.dataset import HistoryRules
from training.evaluation.plan import Plan
from training.evaluation.protocols import k_fold, leave_one_out, prequential, probe, temporal
from training.evaluation.query_time import asked_at_targets
from training.filters import active_users, compact, core
from training.interactions import Interactions

PROTOCOLS = (prequential.NAME, leave_one_out.NAME, temporal.NAME, k_fold.NAME, probe.NAME)
_EVER_MS = 1 << 60


@dataclass(frozen=True, kw_only=True)
class ProtocolConfig:
    """Which protocol, and its numbers; one that another protocol has is not looked at.

    newest           prequential: the part of the log that is tested
    fits             prequential: how often models are fitted anew
    seen_all         prequential: what left the stored window counts as seen too
    folds            k-fold
    with_validation  temporal: learn from the validation part too
    core             least events of a user and of an item, again and again; None is 5 for temporal, else off
    least_history    least events of a user
    held_out         probe: the pairs that are to be predicted, columns user_id and item_id
    query_time       "target": lists are asked for at the moment of the event that is to be guessed
    """

    protocol: str = prequential.NAME
    newest: float = 0.2
    fits: int = 1
    seen_all: bool = False
    folds: int = 5
    with_validation: bool = False
    core: int | None = None
    least_history: int = 1
    held_out: pl.DataFrame | None = None
    query_time: QueryTime = "event"
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan, the rules under which its histories are kept, and what was filtered, in words."""

    plan: Plan
    rules: HistoryRules
    filters: tuple[str, ...]


def prepare(log: Interactions, config: ProtocolConfig, *, rules: HistoryRules) -> Prepared:
    """Filter the log and plan. `rules` are the worker's; published protocols keep everything of a history.

    Raises NothingToJudge where too little is left, ValueError for an unknown protocol.
    """
    kept, filters = _filtered(log, config)
    plan, rules = _planned(kept, config, rules)
    if config.query_time == "target":
        plan = asked_at_targets(plan)
    return Prepared(plan=plan, rules=rules, filters=filters)


def _planned(kept: Interactions, config: ProtocolConfig, rules: HistoryRules) -> tuple[Plan, HistoryRules]:
    """The plan, and the rules under which it keeps histories."""
    if config.protocol == prequential.NAME:
        plan = prequential.prequential(
            kept, newest=config.newest, rules=rules, fits=config.fits, seen_all=config.seen_all
        )
        return plan, rules
    everything = replace(rules, max_age_ms=_EVER_MS, positive_types=EVENT_TYPES[1:])
    if config.protocol == leave_one_out.NAME:
        plan = leave_one_out.leave_one_out(kept)
    elif config.protocol == temporal.NAME:
        plan = temporal.temporal(kept, core=_core(config), with_validation=config.with_validation)
    elif config.protocol == k_fold.NAME:
        plan = k_fold.k_fold(kept, folds=config.folds, seed=config.seed)
    elif config.protocol == probe.NAME and config.held_out is not None:
        plan = probe.probe(kept, config.held_out)
    else:
        raise ValueError(f"no protocol {config.protocol}; there are {', '.join(PROTOCOLS)}")
    return plan, everything


def _filtered(log: Interactions, config: ProtocolConfig) -> tuple[Interactions, tuple[str, ...]]:
    kept, said = log, []
    least = _core(config)
    for name, number, apply in (
        (f"{config.least_history} events a user", config.least_history, active_users),
        (f"{least}-core", least, core),
    ):
        if number > 1:
            kept = compact(apply(kept, number))
            users, items = len(kept.users), len(kept.items)
            said.append(f"{name}: {users:,} users, {items:,} items, {len(kept):,} interactions left")
    return kept, tuple(said)


def _core(config: ProtocolConfig) -> int:
    if config.core is not None:
        return config.core
    return temporal.CORE if config.protocol == temporal.NAME else 1
