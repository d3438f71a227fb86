"""A dataset in an installed package of somebody else's: found, run, and part of the fingerprint."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.datasets.base import datasets, make_loader
from radpriv.benchmark.datasets.io.streamed import StreamedLoader
from radpriv.benchmark.store import fingerprint as fingerprints
from radpriv.benchmark.store.fingerprint import Fingerprint, fingerprint
from radpriv.errors import PluginError, StoreError

LOADER = """
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow

from lungs.words import sentence
from radpriv.benchmark.datasets.base import Card, datasets
from radpriv.benchmark.datasets.io.streamed import Row, StreamedLoader

TERMS = Path(__file__).with_name("terms.csv")


@datasets.register("lungs")
@dataclass(frozen=True)
class Lungs(StreamedLoader):
    name = "lungs"
    card = Card("lungs", "none", "generated", "open", "by construction")
    labels = ("effusion", "opacity")
    reports: int = 80

    def find(self, data):
        return None

    def identity(self, data):
        return {"loader": self.name, "options": self.options()}

    def rows(self, source, counts, progress):
        terms = TERMS.read_text().split()
        for i in range(self.reports):
            found = i % len(terms)
            split = "test" if i % 4 == 0 else "train"
            y = (float(found == 0), float(found == 1))
            yield Row(f"r{i:03d}", f"p{i:03d}", split, sentence(terms[found], i), y)
"""
WORDS = """
import lungs_tools


def sentence(term, i):
    return f"there is {term} in view {lungs_tools.number(i)}"
"""
PACKAGE = {
    "lungs/__init__.py": "",
    "lungs/loader.py": LOADER,
    "lungs/words.py": WORDS,
    "lungs/unused.py": "x = 1\n",
    "lungs/terms.csv": "effusion opacity nothing\n",
    "lungs/templates/form.txt": "a form\n",
    "lungs_tools.py": "def number(i):\n    return i\n",
}
_ticks = itertools.count(1)
Edit = Callable[[str, str], None]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edit]:
    """Writes a file where packages are installed; the distribution `lungs-data` 1.0 is there."""
    site = tmp_path / "site"

    def write(name: str, text: str) -> None:
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        # Python keeps a module's byte code by size and whole second: each edit has its own.
        moment = int(time.time()) + 2 * next(_ticks)
        os.utime(path, (moment, moment))
        importlib.invalidate_caches()
        fingerprints._owners.cache_clear()
        fingerprints._version.cache_clear()
        for module in [m for m in sys.modules if m.partition(".")[0] in ("lungs", "lungs_tools")]:
            del sys.modules[module]

    for name, text in PACKAGE.items():
        write(name, text)
    write("lungs_data-1.0.dist-info/METADATA", metadata("1.0"))
    write("lungs_data-1.0.dist-info/RECORD", "".join(f"{name},,\n" for name in PACKAGE))
    write("lungs_data-1.0.dist-info/entry_points.txt", "[radpriv.datasets]\nlungs = lungs.loader\n")
    monkeypatch.syspath_prepend(str(site))
    yield write
    write("gone", "")


def metadata(version: str) -> str:
    return f"Metadata-Version: 2.1\nName: lungs-data\nVersion: {version}\n"


def take() -> Fingerprint:
    return fingerprint(
        ["radpriv.benchmark.runs.runner", "lungs.loader"], device="cpu", dtype="float32"
    )


def test_plugin_counts_with_its_distributions_files_and_version(edit: Edit) -> None:
    """What it imports within its distribution counts, and its version too."""
    now = take()
    assert {m for m in now.modules if m.startswith("lungs")} == {
        "lungs", "lungs.loader", "lungs.words", "lungs_tools",
    }  # fmt: skip
    assert "radpriv.benchmark.datasets.io.streamed" in now.modules
    assert {d for d in now.data if d.startswith("lungs")} == {
        "lungs/terms.csv", "lungs/templates/form.txt",
    }  # fmt: skip
    assert now.packages["lungs-data"] == "1.0" and "pyarrow" in now.packages
    assert now.cached, now.why_not_cached
    assert not [m for m in sys.modules if m.startswith("lungs")]  # read, not run


@pytest.mark.parametrize(
    ("name", "text", "hit"),
    [
        ("lungs/words.py", WORDS.replace("there is", "one sees"), False),
        ("lungs/words.py", '"""Words."""\n' + WORDS, True),
        ("lungs/unused.py", "x = 2\n", True),
        ("lungs/__init__.py", "import json\n", False),
        ("lungs/terms.csv", "effusion opacity\n", False),
        ("lungs/templates/form.txt", "another form\n", False),
        ("lungs_tools.py", "def number(i):\n    return -i\n", False),
        ("lungs_data-1.0.dist-info/METADATA", metadata("1.1"), False),
    ],
)
def test_an_edit_is_a_miss_exactly_if_the_dataset_may_change(
    edit: Edit, name: str, text: str, hit: bool
) -> None:
    before = take().digest
    assert PACKAGE.get(name) != text
    edit(name, text)
    assert (take().digest == before) is hit


def test_editable_installation_is_followed_without_a_listing(edit: Edit) -> None:
    """An editable installation is followed, though it lists nothing."""
    edit("lungs_data-1.0.dist-info/RECORD", "lungs_data.pth,,\n")
    edit("lungs_data-1.0.dist-info/direct_url.json", '{"dir_info": {"editable": true}}')
    edit("lungs/words.py", "def sentence(term, i):\n    return term\n")
    before = take()
    assert before.cached and before.packages["lungs-data"] == "1.0"
    edit("lungs/words.py", "def sentence(term, i):\n    return term * 2\n")
    assert take().digest != before.digest


def test_unfollowable_import_is_uncached_and_a_missing_one_named(
    edit: Edit,
) -> None:
    """What cannot be followed is not cached, and a missing module is named."""
    edit("lungs/words.py", WORDS + "import importlib\nm = importlib.import_module('o' + 's')\n")
    assert "lungs.words:8 uses importlib.import_module" in (take().why_not_cached or "")
    with pytest.raises(StoreError, match=r"no module is called 'lungs\.loade'; reinstall the pack"):
        fingerprint(["lungs.loade"], device="cpu", dtype="float32")


def test_plugin_name_is_known_before_import_and_in_its_faults(edit: Edit) -> None:
    """Its name is known before it is imported, and its faults carry it."""
    assert "lungs" in datasets.names() and "lungs" not in sys.modules
    edit("lungs/words.py", "1 / 0\n")
    with pytest.raises(PluginError, match=r"dataset 'lungs': its module lungs\.loader raised Zero"):
        datasets.get("lungs")
    edit("lungs/words.py", WORDS)
    assert datasets.get("lungs").__module__ == "lungs.loader"


def test_a_table_read_by_an_older_version_of_it_is_not_served(
    edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADPRIV_CACHE", str(tmp_path / "cache"))

    def first() -> str:
        loader = make_loader("lungs", {})
        assert isinstance(loader, StreamedLoader)
        return loader.load(None).texts[0]

    assert first() == "there is effusion in view 0"
    edit("lungs/words.py", WORDS.replace("there is", "one sees"))
    assert first() == "one sees effusion in view 0"


def test_plugin_package_runs_to_the_report_and_is_then_served(
    edit: Edit, radpriv: Callable[..., Any], tmp_path: Path
) -> None:
    """It runs from a suite to the report and is served until it changes."""
    assert "lungs" in json.loads(radpriv("list", "datasets", "--json").out)["datasets"]
    suite = tmp_path / "mine.toml"
    suite.write_text(
        'epsilons = [inf]\n[[datasets]]\nname = "lungs"\nn_public = 60\n'
        '[[methods]]\nname = "prior"\n'
    )

    def digests() -> list[str]:
        done = radpriv("run", suite, "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["failed"] == {} and "not cached" not in done.err
        return sorted(p.parent.name for p in (tmp_path / "store/cells").glob("*/*/record.json"))

    assert (once := digests()) and digests() == once
    edit("lungs/words.py", WORDS.replace("there is", "one sees"))
    assert len(digests()) == 2 * len(once)
