"""The Netflix Prize in small: files in the very format, and the plainest reader of them."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from xxhash import xxh3_64_intdigest

from stream_app.domain.ratings import type_of_rating

Rating = tuple[str, str, int, str]
"""Movie, customer, stars, day."""

Event = tuple[str, str, str, int, float]
"""Customer, movie, type, time in ms, rating."""


def some_ratings(count: int, *, seed: int = 0, customers: int = 40, movies: int = 12) -> list[Rating]:
    """One movie after the other; several ratings of one movie on each day."""
    random = np.random.default_rng(seed)
    pairs = np.sort(random.choice(customers * movies, count, replace=False))
    return [
        (
            str(pair // customers + 1),
            str(int(pair % customers) * 7 + 6),
            int(random.integers(1, 6)),
            f"2005-0{random.integers(1, 4)}-1{random.integers(0, 3)}",
        )
        for pair in pairs.tolist()
    ]


def movies_of(ratings: list[Rating]) -> dict[str, str]:
    """What the file of each movie says."""
    texts: dict[str, str] = {}
    for movie, customer, stars, day in ratings:
        texts[movie] = texts.get(movie, f"{movie}:\n") + f"{customer},{stars},{day}\n"
    return texts


def write_mv(folder: Path, ratings: list[Rating]) -> Path:
    """As the prize's own download has it; gives the folder back."""
    (folder / "training_set").mkdir(parents=True)
    for movie, text in movies_of(ratings).items():
        (folder / "training_set" / f"mv_{int(movie):07}.txt").write_text(text)
    return folder


def write_combined(folder: Path, ratings: list[Rating]) -> Path:
    """As later copies have it, in two files; gives the folder back."""
    folder.mkdir(parents=True)
    texts = list(movies_of(ratings).values())
    (folder / "combined_data_1.txt").write_text("".join(texts[:5]))
    (folder / "combined_data_2.txt").write_text("".join(texts[5:]))
    return folder


def events_of(ratings: list[Rating]) -> list[Event]:
    """What is to be read, by the plainest means."""

    def order(rating: Rating) -> tuple[str, int]:
        movie, customer, _, day = rating
        both = struct.pack("<QQ", xxh3_64_intdigest(customer.encode()), xxh3_64_intdigest(movie.encode()))
        return day, xxh3_64_intdigest(both)

    return [
        (
            customer,
            movie,
            type_of_rating(stars),
            int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000),
            float(stars),
        )
        for movie, customer, stars, day in sorted(ratings, key=order)
    ]
