"""Models that read items' fields: trained, stored, and asked for items that nobody has touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from stream_app.cli.training_parts import open_bundle
from stream_app.domain.messages import Item
from tests.unit.training.item_worlds import FIT, RULES, UNTOUCHED, table, trained_worlds, two_worlds
from tests.unit.training.logs import START_MS, histories_of, names_of
from training.checkpoint import load, save
from training.errors import TrainingDiverged
from training.export import export
from training.item_rows import items_of_rows
from training.rivals.encoder import AttentionEncoder
from training.train import TrainedModel, train
from training.untouched import told_of, untouched_rows

K = 32


@pytest.fixture(scope="module")
def worlds() -> TrainedModel:
    return trained_worlds()


def test_an_untouched_item_lies_with_those_of_its_fields(worlds: TrainedModel) -> None:
    known = worlds.model.known
    assert known is not None
    vectors, bias = untouched_rows([table()[name] for name in UNTOUCHED], known.tower)
    warm = worlds.model.item_table()[0]
    kind = np.array([int(item_id[1:]) % 2 for item_id in worlds.vocabulary.item_ids])
    centres = torch.stack([warm[torch.from_numpy(kind == one)].mean(0) for one in (0, 1)])
    nearness = torch.nn.functional.normalize(vectors) @ torch.nn.functional.normalize(centres).T
    assert nearness[0, 0] > nearness[0, 1] and nearness[1, 1] > nearness[1, 0]
    assert torch.isfinite(bias).all()
    # Nobody has taken them: they are no favourites.
    assert bias.max() < worlds.model.bias.max()


def test_what_reads_fields_is_stored_whole(worlds: TrainedModel, tmp_path: Path) -> None:
    save(worlds, tmp_path / "model.pt")
    again = load(tmp_path / "model.pt")
    assert again.items == worlds.items
    for before, after in zip(worlds.model.item_table(), again.model.item_table(), strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_bad_items_among_good_ones_are_learnt_from_as_far_as_they_go(tmp_path: Path) -> None:
    items, nan = table(), float("nan")
    bad = {
        "i0": Item(item_id="i0", features={"year": nan, "score": float("inf")}),
        "i1": Item(item_id="i1", embedding=(nan, 1.0)),
        "i2": Item(item_id="i2", embedding=tuple(float(n) for n in range(7))),
        "i3": Item(item_id="i3", categories=tuple(f"c{n}" for n in range(10_000))),
        "i4": Item(item_id="i4"),
        "i5": Item(item_id="i5", title="映画 кино סרט 🎬"),
    }
    assert bad.keys() <= items.keys()
    trained = train(two_worlds(), rules=RULES, config=replace(FIT, epochs=1), items=items | bad)
    vectors, bias = trained.model.item_table()
    assert torch.isfinite(vectors).all() and torch.isfinite(bias).all()
    export(trained, tmp_path)
    log, model = two_worlds(), open_bundle(tmp_path)  # which tries the tower and the encoder
    assert all(
        len(listed) == 10 for listed in names_of(log, model.recommend(histories_of(log, ["i6"]), k=10))
    )


def test_the_same_seed_gives_the_same_model() -> None:
    quick = replace(FIT, epochs=1)
    one, two = (train(two_worlds(), rules=RULES, config=quick, items=table()) for _ in range(2))
    assert torch.equal(one.model.item_table()[0], two.model.item_table()[0])


def test_fields_are_learnt_in_mixed_precision_too() -> None:
    quick = replace(FIT, epochs=1)
    full, mixed = (
        train(two_worlds(), rules=RULES, config=replace(quick, precision=precision), items=table())
        for precision in ("32", "bf16")
    )
    assert mixed.report.loss == pytest.approx(full.report.loss, rel=0.02)
    assert mixed.model.item_table()[0].dtype == torch.float32


def test_a_fit_that_diverges_is_no_log_without_anything_to_learn() -> None:
    rival = AttentionEncoder(rules=RULES, config=replace(FIT, learning_rate=1e30), items=table())
    with pytest.raises(TrainingDiverged):
        rival.fit(two_worlds())


def test_a_bundle_that_is_evaluated_has_the_items_that_came_later(
    worlds: TrainedModel, tmp_path: Path
) -> None:
    export(worlds, tmp_path)
    model = open_bundle(tmp_path, items=table())
    log = two_worlds()
    log = replace(log, items=(*log.items, *UNTOUCHED))
    (listed,) = names_of(log, model.recommend(histories_of(log, ["i0", "i2", "i4"]), k=K))
    assert listed.index(UNTOUCHED[0]) < listed.index(UNTOUCHED[1])
    assert UNTOUCHED[0] not in open_bundle(tmp_path).vocabulary.item_ids


@pytest.mark.parametrize("items", [None, {}, {"i0": Item(item_id="i0")}])
def test_without_any_field_nothing_changes(items: dict[str, Item] | None) -> None:
    quick = replace(FIT, epochs=1)
    plain, same = (
        train(two_worlds(), rules=RULES, config=quick),
        train(two_worlds(), rules=RULES, config=quick, items=items),
    )
    assert same.model.known is None
    for name, weight in plain.model.state_dict().items():
        assert torch.equal(weight, same.model.state_dict()[name])


def rival(items: dict[str, Item]) -> AttentionEncoder:
    found = AttentionEncoder(rules=RULES, config=FIT, items=items)
    found.fit(replace(two_worlds(), items=(*two_worlds().items, *UNTOUCHED)))
    return found


def test_untouched_items_are_ranked_by_their_fields_and_not_before_they_are_out() -> None:
    log = two_worlds()
    log = replace(log, items=(*log.items, *UNTOUCHED))
    out_at = START_MS + 10**9
    late = table() | {UNTOUCHED[0]: Item(item_id=UNTOUCHED[0], categories=("Horror",), published_at=out_at)}
    model = rival(late)
    fan = histories_of(log, ["i0", "i2", "i4"])
    for now_ms, is_out in ((out_at - 1, False), (out_at, True)):
        listed = model.recommend(replace(fan, now_ms=np.array([now_ms])), k=K)[0].tolist()
        codes = [log.items.index(name) for name in UNTOUCHED]
        assert codes[1] in listed
        assert (codes[0] in listed) == is_out
        if is_out:
            assert listed.index(codes[0]) < listed.index(codes[1])
        assert not set(listed) & {log.items.index(taken) for taken in ("i0", "i2", "i4")}


def test_an_untouched_item_in_the_history_is_not_recommended_again() -> None:
    log = two_worlds()
    log = replace(log, items=(*log.items, *UNTOUCHED))
    seen = histories_of(log, ["i0", UNTOUCHED[0]])
    listed = rival(table()).recommend(seen, k=K)[0].tolist()
    assert log.items.index(UNTOUCHED[0]) not in listed
    assert log.items.index(UNTOUCHED[1]) in listed


def test_untouched_items_that_tie_rank_in_the_log_s_order() -> None:
    twins = {f"twin-{number}": Item(item_id=f"twin-{number}", categories=("Horror",)) for number in range(9)}
    log = two_worlds()
    order = [f"twin-{number}" for number in (5, 2, 8, 0, 1, 7, 3, 6, 4)]
    log = replace(log, items=(*log.items, *order))
    model = AttentionEncoder(rules=RULES, config=replace(FIT, epochs=1), items=table() | twins)
    model.fit(log)
    listed = model.recommend(histories_of(log, ["i0"]), k=K + 9)[0].tolist()
    assert [log.items[code] for code in listed if code >= len(two_worlds().items)] == order


def test_of_an_item_without_fields_there_is_nothing_to_rank(worlds: TrainedModel) -> None:
    known = worlds.model.known
    assert known is not None
    items = [
        Item(item_id="a"),
        Item(item_id="b", title="a title is no field of this model"),
        *table().values(),
    ]
    assert told_of(items, known.tower) == list(table().values())
    assert untouched_rows([], known.tower)[0].shape == (0, 16)


def test_rows_of_any_table_are_items() -> None:
    rows = {
        "a": {
            "item_id": "a",
            "title": 1984,
            "genres": "Drama|War",
            "year": 1949,
            "tags": ["x"],
            "by": "b",
        },
        "b": {"embedding": [1, None, 10**400], "price": 10**400, "features": {"brand": "B"}},
        "c": {"title": None, "categories": None, "embedding": "no"},
        "d": {"published_at": 1.7e12},
        "e": {"published_at": datetime(2023, 11, 14, 22, 13, 20)},
        "f": {"published_at": date(2023, 11, 14)},
        "g": {"published_at": "yesterday"},
    }
    found = items_of_rows(rows)
    assert found["a"] == Item(
        item_id="a", title="1984", categories=("Drama", "War"), features={"year": 1949.0, "by": "b"}
    )
    assert found["b"].embedding is not None and np.isnan(found["b"].embedding[1:]).all()
    assert np.isnan(found["b"].features["price"]) and found["b"].features["brand"] == "B"
    assert found["c"] == Item(item_id="c")
    told = [found[name].published_at for name in "defg"]
    assert told == [1_700_000_000_000, 1_700_000_000_000, 1_699_920_000_000, None]
