"""Ratings made up in the very files of the Netflix Prize, of any number, in the shape that its ratings have.

    python docs/benchmarks/make_netflix.py FOLDER [ROWS] [combined|mv]

A few movies have most of the ratings, some customers thousands and half of them under a hundred; days run
from 1999-11 to the end of 2005, more of them late. A customer rates a movie once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

CUSTOMERS, MOVIES, LARGEST_CUSTOMER = 480_189, 17_770, 2_649_429
FIRST_DAY, LAST_DAY = np.datetime64("1999-11-11"), np.datetime64("2005-12-31")
_STARS_OF_1000 = (46, 101, 287, 336, 230)  # how many have 1 to 5
_TICKETS = 1 << 23


def make_netflix(
    folder: Path,
    *,
    rows: int,
    form: str = "combined",
    customers: int = CUSTOMERS,
    movies: int = MOVIES,
    seed: int = 0,
) -> None:
    """Write `rows` ratings as combined_data_1.txt to _4, or as training_set/mv_*.txt where `form` is mv.

    Raises ValueError where the customers cannot give so many.
    """
    blocks = _blocks(rows, customers=customers, movies=movies, random=np.random.default_rng(seed))
    if form == "mv":
        (folder / "training_set").mkdir(parents=True)
        for movie, ratings in blocks:
            with (folder / "training_set" / f"mv_{movie:07}.txt").open("wb") as file:
                _write(file, movie, ratings)
        return
    folder.mkdir(parents=True, exist_ok=True)
    files = [(folder / f"combined_data_{number}.txt").open("wb") for number in (1, 2, 3, 4)]
    for movie, ratings in blocks:
        _write(files[(movie - 1) * 4 // movies], movie, ratings)
    for file in files:
        file.close()


def _write(file, movie: int, ratings: pl.DataFrame) -> None:  # type: ignore[no-untyped-def]
    file.write(f"{movie}:\n".encode())
    ratings.write_csv(file, include_header=False)


def _blocks(
    rows: int, *, customers: int, movies: int, random: np.random.Generator
) -> Iterator[tuple[int, pl.DataFrame]]:
    ids = np.sort(random.choice(LARGEST_CUSTOMER, customers, replace=False) + 1).astype(np.uint32)
    # Half of the customers have 96 ratings or fewer, the mean is 209: a log-normal of sigma 1.25.
    busy = random.choice(customers, _TICKETS, p=_shares(random.lognormal(0, 1.25, customers)))
    tickets = np.concatenate([np.arange(customers), busy]).astype(np.int32)  # nobody is without one
    stars = np.repeat(np.arange(1, 6, dtype=np.uint8), _STARS_OF_1000)
    days = int((LAST_DAY - FIRST_DAY).astype(int)) + 1
    for movie, count in enumerate(_ratings_of_movie(rows, movies, customers, random), start=1):
        released = random.integers(0, days // 2) if random.random() < 0.5 else 0
        day = released + ((days - released) * np.sqrt(random.random(count))).astype(np.int32)
        yield (
            movie,
            pl.DataFrame(
                {
                    "customer": ids[_different(count, tickets, customers, random)],
                    "rating": stars[random.integers(0, len(stars), count)],
                    "day": FIRST_DAY + np.minimum(day, days - 1),
                }
            ),
        )


def _shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return weights / weights.sum()


def _ratings_of_movie(
    rows: int, movies: int, customers: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """The largest has half of the customers at most, as in the original; the rest falls off as Zipf says."""
    most = customers // 2
    if rows > most * movies:
        raise ValueError(f"{rows} ratings are too many for {movies} movies and {customers} customers")
    weights = 1.0 / (np.arange(movies) + 150.0) ** 1.3
    counts = np.minimum(np.floor(rows * _shares(weights)), most).astype(np.int64)
    while missing := rows - int(counts.sum()):
        open_ = np.flatnonzero(counts < most)[:missing]
        more = np.minimum(max(missing // len(open_), 1), most - counts[open_])
        counts[open_] += more
    return random.permutation(counts)


def _different(
    count: int, tickets: NDArray[np.int32], customers: int, random: np.random.Generator
) -> NDArray[np.int32]:
    """So many customers, each once, the busy ones more likely."""
    chosen = np.empty(0, dtype=np.int32)
    for _ in range(50):
        drawn = tickets[random.integers(0, len(tickets), (count - len(chosen)) * 5 // 4 + 8)]
        chosen = np.unique(np.concatenate([chosen, drawn]))
        if len(chosen) >= count:
            return random.permutation(chosen)[:count]
    rest = np.setdiff1d(np.arange(customers, dtype=np.int32), chosen)
    return random.permutation(np.concatenate([chosen, random.permutation(rest)[: count - len(chosen)]]))


if __name__ == "__main__":
    arguments = [*sys.argv[1:], *["", "1000000", "combined"][len(sys.argv) - 1 :]]
    make_netflix(Path(arguments[0]), rows=int(arguments[1]), form=arguments[2])
