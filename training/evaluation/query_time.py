"""A plan whose lists are asked for at the moment of the event that is to be guessed.

No worker knows that moment when it gives a list. Published figures of models that know times are often of
this kind (HSTU's code gives the attention the next event's timestamp), so that ours can stand beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from training.errors import NothingToJudge
from training.evaluation.plan import Plan, Questions

DEFINITION = (
    " Query time: the target's. Models that know times are told, in learning and in asking, the moment of "
    "the event that is to be guessed, and what is published by then is a candidate; no worker knows that "
    "moment: to be compared with figures of this kind alone."
)


def asked_at_targets(plan: Plan) -> Plan:
    """The same questions, each at its target's moment. Raises NothingToJudge for a log without times."""
    if not plan.log.has_times:
        raise NothingToJudge("all events have one time: --query-time target tells nothing; leave it out")

    def moved(blocks: Iterator[Questions]) -> Iterator[Questions]:
        for block in blocks:
            moment = plan.log.timestamp_ms[block.place]
            yield replace(block, histories=replace(block.histories, now_ms=moment))

    return replace(
        plan,
        definition=plan.definition + DEFINITION,
        rounds=(replace(one, questions=moved(one.questions)) for one in plan.rounds),
    )
