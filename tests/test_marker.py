"""A marker in every report shows up in the private cache and nowhere else: not in the store, its
private folders included, nor in what is printed, logged, refused, drawn or reported."""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radpriv.benchmark.datasets.description import token_counts
from radpriv.benchmark.runs import record
from radpriv.benchmark.store.store import write_parquet
from radpriv.errors import EncoderError

MARKER = "zyzzyvaquux"
NUMBER = "4715-2291-83"
"""As a record number would stand in a report."""
PATIENT = "qvxpatientqvx"
"""In each patient's id: the store knows patients by a keyed hash alone."""
HIDDEN = (MARKER, NUMBER, PATIENT)

DATASET = '''
"""A dataset and methods of somebody who was not careful."""

from dataclasses import dataclass
from hashlib import md5

from radpriv.baselines.dp_lora import DPLoRA
from radpriv.baselines.linear_probe import LinearProbe
from radpriv.benchmark.datasets.base import Card, datasets
from radpriv.benchmark.datasets.io.streamed import Row, StreamedLoader
from radpriv.benchmark.methods.method import Method, methods
from radpriv.errors import DataError

WORD, NUMBER, PATIENT = (text[::-1] for text in MARKED)  # this file is kept in the store
FAULTS = {"repeated": None, "foreign": ValueError, "ours": DataError}


@datasets.register("marked")
@dataclass(frozen=True)
class Marked(StreamedLoader):
    """fault: how row 60 breaks. size: reports."""

    name = "marked"
    labels = ("Opacity", "Effusion", "Device")
    card = Card("marked reports", "none", "none", "nothing", "by hand")
    fault: str = ""
    size: int = 120

    def find(self, data):
        return None

    def identity(self, data):
        return {"loader": self.name, "options": self.options()}

    def rows(self, source, counts, progress):
        for i in range(self.size):
            progress(1)
            counts["kept"] += 1
            y = tuple(float((i // k) % 2) for k in (1, 3, 5))
            said = [w for w, there in zip(("opacity", "effusion", "catheter"), y) if there]
            # Words of its own, or most candidates are near-copies, and by chance all that are left
            # have one coin.
            own = " ".join(md5(f"{i} {k}".encode()).hexdigest()[:6] for k in range(12))
            text = f"MRN {NUMBER}. The {WORD} {' and '.join(said)} in the heart {i}: {own}."
            name, patient = f"r{i:03d}", f"{PATIENT}{i // 2:03d}"
            if i == 60 and self.fault:
                if FAULTS[self.fault] is not None:
                    raise FAULTS[self.fault](text)
                name = "r002"
            yield Row(name, patient, "test" if i % 6 < 2 else "train", text, y)
'''

TRAINS = """

@methods.register("quick_lora")
@dataclass(frozen=True)
class Quick(DPLoRA):
    rank: int = 2
    top_layers: int = 1
    rate: float = 0.5
    steps: int = 4
    max_length: int = 32
"""

QUOTES = '''

@methods.register("quotes")
@dataclass(frozen=True)
class Quotes(Method):
    """Its error has the words of a record."""

    private = False
    uses_encoder = False

    def fit(self, train, encoder, budget, run):
        raise RAISED(train.raw().texts[0])
'''


@pytest.fixture(autouse=True)
def without_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading it takes longer than all else."""

    def absent(name: str) -> None:
        raise EncoderError(f"encoder '{name}' is not installed")

    monkeypatch.setattr(token_counts, "resolve", absent)


def plugin(path: Path, *parts: str) -> Path:
    backwards = repr(tuple(text[::-1] for text in HIDDEN))
    path.write_text("".join((DATASET, *parts)).replace("MARKED", backwards))
    return path


def spelt(text: str) -> set[bytes]:
    """How the text may stand in a file, in lower case."""
    low = text.lower()
    found = {
        low.encode(),
        low.encode("utf-16-le"),
        low.encode("utf-16-be"),
        low.encode().hex().encode(),
    }
    for shift in range(3):  # base64 by where in three bytes the text begins
        whole = base64.b64encode(b"\0" * shift + text.encode())
        found.add(whole[-(-shift * 8 // 6) : len(whole) // 4 * 4 - 4].lower())
    return found


NEEDLES = {text: spelt(text) for text in HIDDEN}


def layers(data: bytes, name: str) -> Iterator[bytes]:
    """The bytes of a file, and what is packed in them."""
    yield data
    if name.endswith(".parquet"):
        for column in pq.read_table(pa.BufferReader(data)).columns:
            yield json.dumps(column.to_pylist(), default=str, ensure_ascii=False).encode()
    elif data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    elif data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(member) for member in archive.namelist())
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        at = 8
        while at < len(data):
            (size,) = struct.unpack(">I", data[at : at + 4])
            kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
            if kind in (b"zTXt", b"iTXt"):
                tail = body.split(b"\0", 1)[1].lstrip(b"\0\1")
                yield zlib.decompress(tail)
            at += size + 12


def holds(data: bytes) -> str | None:
    """What of HIDDEN stands in these bytes."""
    low = data.lower()
    return next((text for text, ways in NEEDLES.items() if any(w in low for w in ways)), None)


def leaks(root: Path) -> dict[str, str]:
    """Files below `root`, and names of them, that hold something hidden."""
    found = {}
    for path in sorted(root.rglob("*")):
        if what := holds(str(path.relative_to(root)).encode()):
            found[str(path)] = what
        if path.is_file():
            for data in layers(path.read_bytes(), path.name):
                if what := holds(data):
                    found[str(path.relative_to(root))] = what
    return found


@dataclass
class Session:
    """Commands of one store; what all of them printed and warned."""

    radpriv: Callable[..., Any]
    root: Path
    printed: str = ""

    def __call__(self, *arguments: object, code: int = 0) -> Any:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            done = self.radpriv(*arguments)
        self.printed += done.out + done.err + "".join(str(w.message) for w in warned)
        assert done.code == code, done.err
        return done

    @property
    def store(self) -> Path:
        return self.root / "store"


@pytest.fixture
def session(radpriv: Callable[..., Any], tmp_path: Path) -> Session:
    return Session(radpriv, tmp_path)


@pytest.fixture
def suite(write_suite: Callable[..., Path]) -> Callable[[str], Path]:
    """A suite over the marked reports. options: of the dataset, as TOML."""

    def write(options: str = "") -> Path:
        path = write_suite("prior", epsilons="[8.0, inf]")
        text = path.read_text().replace('"synthetic-plain"', '"marked"')
        path.write_text(text.replace("{ reports = 120 }", f"{{ {options} }}"))
        return path

    return write


def test_marker_is_in_the_cache_alone_after_every_verb(
    session: Session, suite: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """After run, attack, report and describe the marker is in the cache alone."""
    caplog.set_level(logging.INFO)
    mine = plugin(session.root / "mine.py", TRAINS)
    named = [mine, "tfidf", "dp_bow"]
    asked = [suite(""), *(x for name in named for x in ("--method", name))]
    session("run", *asked)
    session("attack", *asked)
    session("report", *asked, "--json")
    session("data", "describe", mine)
    session("data", "describe", mine, "--json", "--out", session.root / "out")
    session("why", "marked.dp_bow")
    assert leaks(session.store) == {} and leaks(session.root / "out") == {}
    assert holds(session.printed.encode()) is None and holds(caplog.text.encode()) is None

    # The search would have found it: reports lie in the cache, and what was made is there.
    assert set(leaks(session.root / "cache").values()) == {MARKER}
    files = [p for p in session.store.rglob("*") if p.is_file()]
    tops = {p.relative_to(session.store).parts[0] for p in files}
    assert tops >= {"cells", "attacks", "plans", "reports", "datasets"}
    kinds = {p.suffix for p in files}
    assert kinds >= {".parquet", ".json", ".jsonl", ".html", ".png", ".svg", ".safetensors"}
    assert [p for p in files if p.parent.name == "private" and p.name == "candidates.parquet"]
    assert "Effusion" in session.printed and "120 reports of 60 patients" in session.printed


def test_text_column_in_the_scores_is_found(
    session: Session, suite: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = record.test_table

    def broken(dataset: Any, rows: Any, *rest: Any) -> pa.Table:
        table = honest(dataset, rows, *rest)
        return table.append_column("text", pa.array([dataset.texts[r] for r in rows]))

    monkeypatch.setattr(record, "test_table", broken)
    quick = plugin(session.root / "mine.py", TRAINS)
    session("run", suite(""), "--method", quick)
    found = leaks(session.store)
    assert found and {Path(name).name for name in found} == {"test.parquet"}
    assert set(found.values()) == {MARKER}


@pytest.mark.parametrize("fault", ["repeated", "foreign", "ours"])
def test_breaking_loader_is_refused_without_its_words(
    session: Session, suite: Callable[[str], Path], fault: str
) -> None:
    """A loader that breaks in the middle is refused without its words."""
    mine = plugin(session.root / "mine.py", TRAINS)
    told = session("run", suite(f'fault = "{fault}"'), "--method", mine, code=2)
    assert told.err.count("radpriv: ") == 1 and "cells/" not in told.err
    if fault != "ours":  # what its author writes into radpriv's own error is meant for the user
        session("data", "describe", mine, "--option", f"fault={fault}", code=2)
    assert holds(session.printed.encode()) is None
    assert leaks(session.store) == {}


@pytest.mark.parametrize("error", ["ValueError", "DataError"])
def test_method_that_quotes_a_report_fails_unquoted(
    session: Session, suite: Callable[[str], Path], error: str
) -> None:
    """A method that quotes a report in its error fails without the quotation."""
    mine = plugin(session.root / "mine.py", QUOTES.replace("RAISED", error))
    session("run", suite(""), "--method", mine, "--method", "prior", code=1)
    assert "failed" in session.printed and "1 cell without a result" in session.printed
    assert holds(session.printed.encode()) is None
    assert leaks(session.store) == {}
    assert list((session.store / "attempts").rglob("*.json"))


def png(kind: bytes, body: bytes) -> bytes:
    chunk = kind + body
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(body)) + chunk + b"\0\0\0\0"


SAID = f"MRN {NUMBER}. The {MARKER} opacity"
PLANTED: dict[str, Callable[[Path], Any]] = {
    "plain.json": lambda p: p.write_text(json.dumps({"a": SAID})),
    "upper.html": lambda p: p.write_text(f"<td>{SAID.upper()}</td>"),
    "wide.log": lambda p: p.write_bytes(b"x" + SAID.encode("utf-16-le")),
    "base0.txt": lambda p: p.write_bytes(base64.b64encode(SAID.encode())),
    "base1.txt": lambda p: p.write_bytes(base64.b64encode(b"." + SAID.encode())),
    "base2.txt": lambda p: p.write_bytes(base64.b64encode(b".." + SAID.encode())),
    "hex.txt": lambda p: p.write_text(SAID.encode().hex()),
    "text.parquet": lambda p: write_parquet(p, pa.table({"x": [[SAID] * 300]})),
    "packed.gz": lambda p: p.write_bytes(gzip.compress(SAID.encode() * 50)),
    "text.png": lambda p: p.write_bytes(png(b"tEXt", b"k\0" + SAID.encode())),
    "packed.png": lambda p: p.write_bytes(png(b"zTXt", b"k\0\0" + zlib.compress(SAID.encode()))),
    f"{MARKER}.txt": lambda p: p.write_text(""),
    "patient.json": lambda p: p.write_text(f"{PATIENT}003"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_search_finds_the_marker_however_it_is_packed(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "planted"
    folder.mkdir()
    PLANTED[name](folder / name)
    assert leaks(folder)
    (folder / name).unlink()
    assert leaks(folder) == {}
