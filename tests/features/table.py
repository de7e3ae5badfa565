"""What each surface can do, out of what is tested: `.venv/bin/python -m tests.features.table` writes the table."""

import re
import sys
from pathlib import Path

from tests.features.checks import FEATURES
from tests.features.speakers import SPEAKERS

PAGE = Path(__file__).parents[2] / "docs" / "surfaces.md"
PLACE = re.compile(r"(<!-- features -->\n).*?(<!-- end -->)", re.DOTALL)
CELLS = {"both": "native, emulated", "native": "native"}


def table() -> str:
    """Rows are features, columns surfaces."""
    names = [speaker.name for speaker in SPEAKERS]
    rows = [["", *names], ["---", *("---" for _ in names)]]
    rows += [[feature.name, *(CELLS.get(feature.surfaces.get(name, ""), "") for name in names)] for feature in FEATURES]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def written(page: str) -> str:
    """The page with the table in its place."""
    return PLACE.sub(lambda found: f"{found[1]}\n{table()}\n\n{found[2]}", page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"Written into {PAGE.name}.\n")
