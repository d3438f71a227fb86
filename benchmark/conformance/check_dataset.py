"""Check a dataset's loader: what all of radpriv's hold, and a plug-in should before it is run.

    for verdict in check_dataset(make_loader("mine", {}), write_source): print(verdict)

`write_source(data)` writes a small made-up source, eight reports or so, into the folder `data` as
the real one would lie in RADPRIV_DATA. The suite then cuts, changes, renames and reorders its files
(source_variants.py) and looks at what the loader makes of it: the same rows, or one sentence that
quotes no report. A generator reads no file, so half of the checks do not apply to it, and that is
said. Nothing is read but what `write_source` wrote.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from radpriv.benchmark.cell import canonical
from radpriv.benchmark.conformance import source_variants
from radpriv.benchmark.conformance.captured_output import captured_output
from radpriv.benchmark.conformance.source_variants import MARKER, Variant
from radpriv.benchmark.datasets.base import Dataset, Loader
from radpriv.benchmark.datasets.texts import normalise
from radpriv.errors import RadprivError, kind_and_place

Source = Callable[[Path], object]
"""Writes a small made-up source into a data folder."""

CHECKS = (
    "loads",
    "label values",
    "split by patient",
    "stable identity",
    "order of files",
    "near-miss file names",
    "truncated input",
    "no text in an error",
)
SPLITS = frozenset({"train", "test", "validate"})
RUN = 4
"""Words of a report in a row that count as a quotation."""


@dataclass(frozen=True)
class DatasetVerdict:
    """Which check, whether it holds (None: it does not apply), and what was seen."""

    check: str
    passed: bool | None
    detail: str


@dataclass(frozen=True)
class Loaded:
    """What a loader made of one folder: rows, or an error; printed: all that it said on the way.

    error: the sentence, or the kind and place of an exception that is none of radpriv's.
    """

    dataset: Dataset | None
    error: str = ""
    foreign: bool = False
    identity: str = ""
    printed: str = field(default="", repr=False)

    @property
    def refused(self) -> bool:
        """Whether it ended with one line for the user."""
        return self.dataset is None and not self.foreign and "\n" not in self.error

    def rows(self) -> list[tuple[object, ...]]:
        """Every row as it came, comparable."""
        d = self.dataset
        if d is None:
            return []
        return list(zip(d.ids, d.patients, d.splits, d.texts, (row.tobytes() for row in d.y)))

    @property
    def lost(self) -> str:
        """How it failed, in words."""
        return f"ended with {self.error}" if self.foreign else f"said: {self.error}"


class Bench:
    """Loads from copies of one source, each with a cache of its own; remembers what was said."""

    def __init__(self, loader: Loader, data: Path | None, scratch: Path) -> None:
        self.loader, self.data, self._scratch = loader, data, scratch
        self.said: list[tuple[str, Loaded]] = []
        self._copies = 0

    def load(self, variant: Variant | None = None, backwards: bool = False) -> Loaded:
        """The loader's answer to the source, or to a copy of it with one change."""
        self._copies += 1
        place = self._scratch / str(self._copies)
        data = None
        if self.data is not None:
            data = Path(shutil.copytree(self.data, place / "data"))
            if variant is not None:
                variant.apply(data)
        with (
            _cache(place / "cache"),
            source_variants.listed(backwards),
            captured_output() as printed,
        ):
            found = _load(replace(self.loader), data)
        found = replace(found, printed=printed())
        self.said.append(("as it is" if variant is None else _named(variant), found))
        return found


def check_dataset(loader: Loader, source: Source | None = None) -> Iterator[DatasetVerdict]:
    """The verdicts on one loader, in the order of CHECKS; none after it does not load.

    Args:
        loader: with the options to be checked.
        source: writes a small source; None for a generator.
    """
    with tempfile.TemporaryDirectory(prefix="radpriv-check-") as folder:
        data = None
        if source is not None:
            data = Path(folder) / "data"
            data.mkdir()
            source(data)
        bench = Bench(loader, data, Path(folder))
        plain = bench.load()
        yield DatasetVerdict("loads", *_loads(plain, source))
        if plain.dataset is None:
            return
        yield DatasetVerdict("label values", *_labels(plain.dataset, loader))
        yield DatasetVerdict("split by patient", *_splits(plain.dataset))
        yield DatasetVerdict("stable identity", *_identity(bench, plain))
        for check, function in (
            ("order of files", _order),
            ("near-miss file names", _names),
            ("truncated input", _cut),
        ):
            if data is None:
                yield DatasetVerdict(check, None, "it reads no file")
            else:
                yield DatasetVerdict(check, *function(bench, plain))
        yield DatasetVerdict("no text in an error", *_no_text(bench, plain))


def _load(loader: Loader, data: Path | None) -> Loaded:
    try:
        return Loaded(loader.load(data), identity=canonical(loader.identity(data)))
    except RadprivError as error:
        return Loaded(None, str(error))
    except (Exception, SystemExit) as error:
        return Loaded(None, kind_and_place(error), foreign=True)


@contextlib.contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """RADPRIV_CACHE is this folder inside the block."""
    before = os.environ.get("RADPRIV_CACHE")
    os.environ["RADPRIV_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["RADPRIV_CACHE"]
        else:
            os.environ["RADPRIV_CACHE"] = before


def _named(variant: Variant) -> str:
    return f"{variant.path} {variant.what}"


def _loads(plain: Loaded, source: Source | None) -> tuple[bool, str]:
    if plain.dataset is None:
        more = "" if source else "; give source, a function that writes a small source folder"
        return False, plain.lost + more
    counts = Counter(plain.dataset.splits)
    for split in ("train", "test"):
        if counts[split] < 2:
            return False, f"{counts[split]} rows are '{split}': write a source with two at least"
    return True, f"{len(plain.dataset)} rows, {len(plain.dataset.labels)} labels"


def _labels(dataset: Dataset, loader: Loader) -> tuple[bool, str]:
    labels, y = dataset.labels, np.asarray(dataset.y)
    if not labels or len(set(labels)) != len(labels):
        return False, "labels: give names, each once"
    if labels != loader.labels:
        return False, "the dataset has other labels than its loader"
    if y.dtype != np.float32 or y.shape != (len(dataset), len(labels)):
        return False, f"y is {y.dtype} {y.shape}: give float32 ({len(dataset)}, {len(labels)})"
    odd = ~(np.isnan(y) | (y == 0) | (y == 1))
    if odd.any():
        return False, f"label '{labels[int(odd.any(0).argmax())]}' has a value beside 0, 1 and NaN"
    unseen = np.isnan(y).all(0)
    if unseen.any():
        return False, f"label '{labels[int(unseen.argmax())]}' is observed in no row of the source"
    return True, f"0, 1 or NaN; {np.isnan(y).mean():.0%} not observed"


def _splits(dataset: Dataset) -> tuple[bool, str]:
    if odd := sorted(set(dataset.splits) - SPLITS):
        return False, f"a split is called '{odd[0]}': one of {', '.join(sorted(SPLITS))}"
    side: dict[str, str] = {}
    for row, (patient, split) in enumerate(zip(dataset.patients, dataset.splits)):
        if not patient:
            return False, f"row {row} has no patient"
        if side.setdefault(patient, split) != split:
            return False, f"the patient of row {row} is in '{side[patient]}' and in '{split}'"
    return True, f"{len(side)} patients, each in one split"


def _identity(bench: Bench, plain: Loaded) -> tuple[bool, str]:
    """Equal wherever and whenever the same source lies, and another for other rows."""
    again = bench.load()
    if again.dataset is None or again.rows() != plain.rows():
        return False, "the same source gives other rows when it is read again"
    if again.identity != plain.identity:
        return False, "the same source in another folder has another identity"
    changes = 0
    if bench.data is not None:
        for variant in source_variants.strange(bench.data):
            other = bench.load(variant)
            if other.dataset is not None and other.rows() != plain.rows():
                changes += 1
                if other.identity == plain.identity:
                    return False, f"{_named(variant)}: other rows under the same identity"
    return True, f"the same in two places; another for each of {changes} changes that were read"


def _order(bench: Bench, plain: Loaded) -> tuple[bool, str]:
    assert bench.data is not None
    found = [("listed backwards", bench.load(backwards=True))]
    found += [(_named(v), bench.load(v)) for v in source_variants.turned(bench.data)]
    for what, other in found:
        if other.dataset is None:
            return False, f"{what}: {other.lost}"
        if other.rows() != plain.rows():
            return False, f"{what}: other rows, or rows in another order"
    return True, f"the same rows, {' and '.join(what for what, _ in found)}"


def _names(bench: Bench, plain: Loaded) -> tuple[bool, str]:
    assert bench.data is not None and plain.dataset is not None
    ends: Counter[str] = Counter()
    for variant in source_variants.renamed(bench.data):
        other = bench.load(variant)
        if other.refused:
            ends["refused"] += 1
        elif other.dataset is None:
            return False, f"{_named(variant)}: {other.lost}"
        elif other.rows() == plain.rows():
            ends["read all the same"] += 1
        else:
            missing = len(plain.dataset) - len(other.dataset)
            told = Counter(other.dataset.counts) - Counter(plain.dataset.counts)
            if missing <= 0 or sum(told.values()) < missing:
                return False, f"{_named(variant)}: other rows, and no count says so"
            ends["counted"] += 1
    for variant in source_variants.doubled(bench.data):
        other = bench.load(variant)
        if not other.refused and other.rows() != plain.rows():
            return False, f"{_named(variant)}: {other.lost if other.error else 'other rows'}"
        ends["with a stray copy, refused or the same"] += 1
    return True, "; ".join(f"{count} {end}" for end, count in ends.items())


def _cut(bench: Bench, plain: Loaded) -> tuple[bool, str]:
    """Refused in one line. A file that is one report may end early: that costs this report."""
    assert bench.data is not None
    refused = passed = 0
    for variant in source_variants.cut(bench.data):
        other = bench.load(variant)
        if other.refused:
            refused += 1
            continue
        if other.dataset is None:
            return False, f"{_named(variant)}: {other.lost}"
        kept = len(set(other.rows()) & set(plain.rows()))
        if kept < len(plain.rows()) - 1:
            lost = len(plain.rows()) - kept
            return False, f"{_named(variant)}: read without a word, {lost} rows are gone or changed"
        passed += 1
    return True, f"{refused} refused in one line, {passed} cost one report at most"


def _no_text(bench: Bench, plain: Loaded) -> tuple[bool, str]:
    """Over everything that was said so far."""
    assert plain.dataset is not None
    texts = _runs(plain.dataset.texts) - _runs([repr(plain.dataset.card), *plain.dataset.labels])
    errors = 0
    for what, loaded in bench.said:
        if loaded.foreign:
            return False, f"{what}: ended with {loaded.error}, whose words may quote a report"
        errors += loaded.dataset is None
        if texts & _runs([repr(loaded.dataset)]):
            return False, f"{what}: its repr quotes a report"
        for where, words in (("the error", loaded.error), ("what is printed", loaded.printed)):
            if MARKER in words or texts & _runs([words]):
                return False, f"{what}: {where} quotes a report or a cell"
    return True, f"none in {errors} errors, nor in what is printed"


def _runs(texts: Iterable[str]) -> set[tuple[str, ...]]:
    """Every RUN words in a row."""
    found: set[tuple[str, ...]] = set()
    for text in texts:
        words = normalise(text).split()
        found.update(tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1))
    return found
