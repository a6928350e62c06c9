"""MovieLens latest-small as events: real data for the demo and the tests. See TERMS.md for its terms."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
INTERACTIONS = FOLDER / "interactions.parquet"
"""user_id, item_id, rating, timestamp (ms); 100,004 rows in order of time."""
ITEMS = FOLDER / "items.parquet"
"""item_id, title, year, categories; 9,066 rows."""
