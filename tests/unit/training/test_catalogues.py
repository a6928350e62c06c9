"""Items of published data sets, in the very formats that their authors publish them in."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from training.sources.catalogues import Row, read_catalogue
from training.sources.place import Place

TOY = {"item_id": "1", "title": "Toy Story (1995)", "categories": ["Animation", "Comedy"]}
CITE = {"item_id": "7", "title": "Cité, la (1995)"}
FLAGS_TOY, FLAGS_NONE = "0|0|0|1|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0", "|".join("0" * 19)

FILES: dict[str, tuple[str, bytes, list[Row]]] = {
    "movielens 100k": (
        "ml-100k/u.item",
        f"1|Toy Story (1995)|01-Jan-1995||http://imdb|{FLAGS_TOY}\n"
        f"7|Cité, la (1995)|||http://imdb|{FLAGS_NONE}\n".encode("latin-1"),
        [TOY, CITE],
    ),
    "movielens 1m": (
        "ml-1m/movies.dat",
        "1::Toy Story (1995)::Animation|Comedy\n7::Cité, la (1995)::(no genres listed)\n".encode("latin-1"),
        [TOY, CITE],
    ),
    "movielens 10m": (
        "movies.dat",
        "1::Toy Story (1995)::Animation|Comedy\r\n7::Cité, la (1995)::\r\n".encode(),
        [TOY, CITE],
    ),
    "movielens latest": (
        "movies.csv",
        'movieId,title,genres\n1,Toy Story (1995),Animation|Comedy\n7,"Cité, la (1995)",\n'.encode(),
        [TOY, CITE],
    ),
    "netflix": (
        "movie_titles.txt",
        "1,2003,Dinosaur Planet\n2,NULL,Cité, la, et \x85 plus\n".encode("latin-1"),
        [
            {"item_id": "1", "title": "Dinosaur Planet", "year": 2003},
            {"item_id": "2", "title": "Cité, la, et \x85 plus"},
        ],
    ),
    "recbole": (
        "ml-100k.item",
        b"item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        b"1\tToy Story\t1995\tAnimation Comedy\n",
        [{"item_id": "1", "title": "Toy Story", "categories": ["Animation", "Comedy"]}],
    ),
    "amazon": (
        "meta_Gift_Cards.jsonl",
        b'{"parent_asin": "B1", "title": "A card", "categories": ["Gifts", "Cards"], "main_category": "G"}\n'
        b'{"asin": "B2", "category": [["Gifts"]]}\n{"asin": "B3"',
        [
            {"item_id": "B1", "title": "A card", "categories": ["Gifts", "Cards"]},
            {"item_id": "B2", "categories": ["Gifts"]},
            {"item_id": ""},
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_they_are_found_and_read_with_their_line_numbers(tmp_path: Path, kind: str, packed: bool) -> None:
    name, content, expected = FILES[kind]
    place = tmp_path / "data.zip"
    if packed:
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr(name, content)
            archive.writestr("README.txt", "terms")
    else:
        place = tmp_path
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    found = read_catalogue(Place(place))
    assert found is not None
    assert [row for _, row in found] == expected
    begin = 2 if kind in ("movielens latest", "recbole") else 1
    assert [number for number, _ in found] == list(range(begin, begin + len(expected)))


def test_a_table_of_ones_own_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text("item_id,title\n1,Toy Story\n")
    (tmp_path / "items.jsonl").write_text('{"item_id": "1"}\n')
    assert read_catalogue(Place(tmp_path)) is None
