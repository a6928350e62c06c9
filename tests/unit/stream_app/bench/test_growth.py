from __future__ import annotations

from stream_app.bench.growth import growth_ratios


def test_ratios_are_of_the_most_users_to_the_fewest() -> None:
    few = {"cpu_us_per_event": 20.0, "cpu_us_per_list": 50.0, "rss_mb": 200.0}
    many = {"cpu_us_per_event": 26.0, "cpu_us_per_list": 50.0, "rss_mb": 900.0}
    assert growth_ratios([few, many]) == {"cpu_per_event": 1.3, "cpu_per_list": 1.0, "memory": 4.5}
