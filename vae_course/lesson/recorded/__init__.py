"""Results of runs too long for a lesson, each table with the script that made it."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent


def recorded(name: str) -> dict:
    """A recorded table: "script" that made it, "date", and "rows", a dict for each run.

    The script measures rows that the table lacks.

    Raises:
        ValueError: if no table has this name.
    """
    tables = {path.stem: path for path in FOLDER.glob("*.json")}
    if name not in tables:
        raise ValueError(f"no table is called {name!r}: there are {', '.join(sorted(tables))}")
    return json.loads(tables[name].read_text(encoding="utf-8"))
