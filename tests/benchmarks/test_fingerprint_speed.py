"""A fingerprint, which every run and every lookup takes once, beside its peer: the hashes of the
same files and Python's own parser over them.

pytest tests/benchmarks/test_fingerprint_speed.py --benchmark-enable --benchmark-only
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.store.digests import file_sha256
from radpriv.benchmark.store.fingerprint import fingerprint
from radpriv.benchmark.store.import_closure import find

pytestmark = pytest.mark.benchmark(group="fingerprint")
ROOTS = ["radpriv.benchmark.runs.runner", "radpriv.baselines.dp_lora"]


def taken() -> int:
    return len(fingerprint(ROOTS, device="cpu", dtype="float32").modules)


def test_fingerprint(benchmark: Any) -> None:
    assert benchmark.pedantic(taken, rounds=5) > 50


def test_peer_hashes_and_parses_the_same_files(benchmark: Any) -> None:
    modules = fingerprint(ROOTS, device="cpu", dtype="float32").modules
    specs = [spec for name in modules if (spec := find(name)) and spec.origin]
    files = [Path(str(spec.origin)) for spec in specs]
    assert len(files) > 50

    def peer() -> int:
        return sum(bool(file_sha256(f) and ast.parse(f.read_text("utf-8"))) for f in files)

    assert benchmark.pedantic(peer, rounds=5) == len(files)
