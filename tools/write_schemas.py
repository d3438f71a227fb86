"""Write docs/schema/: a JSON Schema for each file that stages hand to one another.

    python tools/write_schemas.py

A test compares what lies there with what the classes say, so a format cannot change in silence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from radpriv.benchmark.conformance.verdict import CheckVerdict
from radpriv.benchmark.store.attack_schema import AttackResult
from radpriv.benchmark.store.cell_schema import CellRecord, Provenance
from radpriv.benchmark.store.description_schema import Description
from radpriv.benchmark.store.ledger_schema import Release
from radpriv.benchmark.store.plan_schema import Plan
from radpriv.benchmark.store.results import Reason
from radpriv.benchmark.store.schema import json_schema

FOLDER = Path(__file__).parents[1] / "docs" / "schema"
FORMATS: Mapping[str, type] = {
    "plan": Plan,
    "record": CellRecord,
    "provenance": Provenance,
    "ledger_line": Release,
    "reason": Reason,
    "description": Description,
    "attack_result": AttackResult,
    "check_verdict": CheckVerdict,
}
"""By the name of the file that holds one."""


def schemas() -> dict[str, str]:
    """File name → text."""
    return {
        f"{name}.schema.json": json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **json_schema(kind)},
            indent=1,
            sort_keys=True,
            ensure_ascii=False,
        )
        + "\n"
        for name, kind in FORMATS.items()
    }


def main() -> None:
    """Write every schema, and remove those of formats that are gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = schemas()
    for path in FOLDER.glob("*.schema.json"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
