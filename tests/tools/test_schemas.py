"""docs/schema/ says what the classes say (tools/write_schemas.py)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_schemas", ROOT / "tools/write_schemas.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_schemas_on_disk_are_those_of_the_classes() -> None:
    """Where this fails, a file format changed: run `python tools/write_schemas.py`, and ask
    whether its version must go up."""
    found = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "docs/schema").iterdir()}
    assert found == tool().schemas()


def test_schemas_forbid_what_the_classes_do_not_know() -> None:
    for text in tool().schemas().values():
        assert '"additionalProperties": false' in text
