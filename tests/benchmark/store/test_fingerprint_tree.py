"""The fingerprint of the package itself: what is in it, and the same once installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from radpriv.benchmark.store.fingerprint import fingerprint
from radpriv.benchmark.store.import_closure import find

ROOTS = [
    "radpriv.benchmark.store.store",
    "radpriv.benchmark.privacy",
    "radpriv.benchmark.methods.method",
]
ROOTS += [
    name for name in ("radpriv.benchmark.runs.runner", "radpriv.baselines.tfidf") if find(name)
]


def test_command_line_reports_and_attacks_are_in_no_training_run() -> None:
    now = fingerprint(ROOTS, device="cpu", dtype="float32")
    parts = {name.split(".")[1] for name in now.modules if "." in name}
    assert "benchmark" in parts and parts <= {"benchmark", "baselines", "errors"}
    assert now.cached, now.why_not_cached
    assert "radpriv.benchmark.runs.explain" not in now.modules
    assert {"pyarrow", "numpy", "filelock"} <= set(now.packages)


def test_fingerprint_imports_nothing_that_it_reads() -> None:
    code = (
        "import sys; from radpriv.benchmark.store.fingerprint import fingerprint; "
        f"found = fingerprint({ROOTS!r}, device='cpu', dtype='float32'); "
        "print(len(found.modules) > 50, 'torch' in sys.modules, 'pyarrow' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["True", "False", "False"]


def test_installed_copy_has_the_fingerprint_of_the_working_tree(tmp_path: Path) -> None:
    """An installed copy has the fingerprint of the working tree."""
    folder = tmp_path / "site" / "radpriv"
    for name in ("radpriv", "radpriv.benchmark", "radpriv.baselines"):
        spec = find(name)
        assert spec is not None and spec.submodule_search_locations
        target = folder.joinpath(*name.split(".")[1:])
        ignore = shutil.ignore_patterns("__pycache__", "attacks", "reports")
        shutil.copytree(
            next(iter(spec.submodule_search_locations)), target, dirs_exist_ok=True, ignore=ignore
        )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); "
        "sys.meta_path[:] = [f for f in sys.meta_path if 'ditable' not in getattr("
        "f, '__name__', '')]; import radpriv; print(radpriv.__file__); "
        "from radpriv.benchmark.store.fingerprint import fingerprint; "
        f"print(fingerprint({ROOTS!r}, device='cpu', dtype='float32').digest)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    where, there = out.stdout.split()
    assert where.startswith(str(tmp_path))
    assert there == fingerprint(ROOTS, device="cpu", dtype="float32").digest
