"""Files, page and terminal of a description, as its file holds it."""

from __future__ import annotations

import io
import json
import math
import os
import re
import stat
import struct
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from radpriv.benchmark.datasets.base import Card, Dataset
from radpriv.benchmark.datasets.description import token_counts
from radpriv.benchmark.datasets.description.description import describe
from radpriv.benchmark.datasets.reference_figures import Published
from radpriv.benchmark.store.description_schema import Description
from radpriv.benchmark.store.schema import parse
from radpriv.errors import EncoderError, ReportError
from radpriv.reports.descriptions.description_figures import percent, prevalence
from radpriv.reports.descriptions.description_page import NAMES, write_description
from radpriv.reports.descriptions.description_tables import tables
from radpriv.reports.descriptions.heatmap import cooccurrence
from radpriv.reports.render.theme import DARK, LIGHT
from radpriv.reports.write import write_report


@pytest.fixture(scope="module", autouse=True)
def without_tokenizer() -> Iterator[None]:
    """Loading it takes longer than all these tests."""

    def absent(name: str) -> None:
        raise EncoderError(f"encoder '{name}' is not installed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_counts, "resolve", absent)
        yield


LABELS = (*(f"Interlobular septal thickening {i}" for i in range(17)), "$x^2$ & <i>odd</i>")


@lru_cache(maxsize=32)
def made(
    release: str = "open", published: tuple[Published, ...] = (), size: int = 18
) -> Description:
    """A description of 90 reports with `size` labels, one of them never there."""
    labels = LABELS[: size - 1] + LABELS[-1:]
    rng = np.random.default_rng(1)
    y = (rng.random((90, size)) < np.linspace(0.0, 0.6, size)).astype(np.float32)
    dataset = Dataset(
        name="made-up",
        labels=labels,
        card=Card("made <up>", "none", "none", release, "by hand", known_errors=("a", "b & c")),
        ids=tuple(f"r{i:03d}" for i in range(90)),
        patients=tuple(f"p{i // 2:03d}" for i in range(90)),
        splits=tuple("test" if i % 6 < 2 else "train" for i in range(90)),
        texts=tuple(f"no opacity {i}. may be {i % 7}." for i in range(90)),
        y=y,
        counts={"kept": 90},
    )
    found = describe(dataset, published, {"text": "all", "reports": 90})
    return parse(Description, json.dumps(found.as_dict(), allow_nan=False), "made-up")


FIGURES = (
    Published(f"positive/{LABELS[1]}", 0.9, 0.01, "somewhere"),
    Published(f"positive/{LABELS[2]}", 0.0, None, "somewhere"),
    Published(f"phi/{LABELS[3]}/{LABELS[2]}", 0.0, 2.0, "elsewhere"),
    Published("words/p50", 6, 1, "somewhere"),
)


def small(release: str = "open") -> Description:
    return made(release, (), 3)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_equal_descriptions_give_equal_bytes(tmp_path: Path) -> None:
    """Every file is there, and nothing else."""
    data = made("open", FIGURES[:2], 4)
    one, two = (write_description(data, tmp_path / name) for name in "ab")
    assert {p.name for p in one.files} == set(NAMES) == {p.name for p in one.page.parent.iterdir()}
    for first, second in zip(one.files, two.files):
        assert first.read_bytes() == second.read_bytes(), first.name


def chunks(data: bytes) -> list[bytes]:
    """Types of a PNG's chunks."""
    found, at = [], 8
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        found.append(data[at + 4 : at + 8])
        at += size + 12
    return found


def test_a_png_carries_pixels_and_nothing_else(tmp_path: Path) -> None:
    for path in write_description(small(), tmp_path).files:
        if path.suffix == ".png":
            assert set(chunks(path.read_bytes())) <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_closed_data_is_never_readable_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    """Of data that must not leave, nobody else can read a file even for a moment."""
    seen: list[tuple[str, int]] = []
    replace = os.replace

    def watched(source: str, target: Path) -> None:
        seen.append((Path(target).name, mode(Path(source))))
        assert mode(Path(target).parent) == 0o700
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    old = os.umask(umask)
    try:
        written = write_description(small("nothing"), tmp_path / "deep" / "out")
    finally:
        os.umask(old)
    assert mode(written.page.parent) == 0o700
    assert {mode(p) for p in written.files} == {0o600}
    assert sorted(seen) == sorted((name, 0o600) for name in NAMES)


def test_open_folder_is_closed_or_refused(
    tmp_path: Path,
) -> None:
    """An open folder is closed where it is ours, and refused where it is not."""
    ours = tmp_path / "ours"
    write_description(small("open"), ours)
    assert mode(ours / "index.html") == 0o644
    ours.chmod(0o755)
    write_description(small("nothing"), ours)
    assert mode(ours) == 0o700 and {mode(p) for p in ours.iterdir()} == {0o600}

    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "notes.txt").write_text("somebody's")
    with pytest.raises(ReportError, match=r"shared: others may read this folder.*notes\.txt"):
        write_description(small("nothing"), shared)
    assert mode(shared) == 0o755 and [p.name for p in shared.iterdir()] == ["notes.txt"]
    shared.chmod(0o700)
    assert write_description(small("nothing"), shared).page.is_file()


def test_file_in_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    """A file in the place of the folder is one clear error."""
    (tmp_path / "taken").write_text("")
    for release in ("open", "nothing"):
        with pytest.raises(ReportError, match="taken"):
            write_description(small(release), tmp_path / "taken")


SAYS = {
    "open": "these files may be shared",
    "aggregates": "these aggregates may be published",
    "nothing": "these files must not leave the machine",
}


@pytest.mark.parametrize("release", SAYS)
def test_page_and_terminal_say_what_may_leave_the_machine(tmp_path: Path, release: str) -> None:
    written = write_description(small(release), tmp_path / "out")
    console = Console(width=100, record=True, file=io.StringIO())
    written.print(console)
    shown = console.export_text()
    page = written.page.read_text()
    others = [said for name, said in SAYS.items() if name != release]
    for text in (shown, page):
        assert SAYS[release] in " ".join(text.split())
        assert not [said for said in others if said in text]
    assert shown.replace("\n", "").endswith(f"page: {written.page}")


def test_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    """Names are text there."""
    page = write_description(made(published=FIGURES), tmp_path).page.read_text()
    assert not re.search(r"<script|https?://|src=|@import|<link", page)
    assert "made &lt;up&gt;" in page and "b &amp; c" in page
    assert "<i>odd</i>" not in page and "$x^2$ &amp; &lt;i&gt;odd&lt;/i&gt;" in page
    for needed in ("Known errors", "Labels from", "Calibrated on", 'text = "all"', "somewhere"):
        assert needed in page.replace("&#34;", '"'), needed
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) > 10


def test_report_shows_the_whole_card(fake: Any) -> None:
    """A report of results shows the whole card, with labels and options."""

    def edit(record: dict[str, Any]) -> None:
        record["card"]["calibrated_on"] = ["openi", "mimic-cxr"]
        record["cell"]["dataset_identity"] = {"options": {"text": "impression"}}

    fake.edit = edit
    report = write_report(fake.write(), "demo")
    for text in (report.page.read_text(), (report.folder / "report.md").read_text()):
        text = text.replace("&#34;", '"')
        for said in (
            "Source and access", "public", "CC BY-NC-ND 4.0", "everything in this report",
            "No Finding, Lung Opacity, Cardiomegaly", "human MeSH codes, mapped",
            "a report stands for all its copies", 'text = "impression"',
            "ordinary words were scrubbed too", "openi, mimic-cxr",
        ):  # fmt: skip
            assert said in text, said


def test_published_figures_stand_beside_with_their_verdicts() -> None:
    found = tables(made(published=FIGURES))
    rows = {row[0].text: [cell.text for cell in row] for row in found["labels"].rows}
    assert found["labels"].columns[4:6] == ("published", "verdict")
    assert rows[LABELS[1]][4:6] == ["90.0%", "outside"]
    assert rows[LABELS[2]][4:6] == ["0%", "no tolerance"]
    assert rows[LABELS[0]][4:6] == ["–", "–"]
    assert [row[0].text for row in found["outside"].rows] == [f"positive/{LABELS[1]}"]
    assert len(found["published"].rows) == 4
    assert found["published"].notes == ("[1] somewhere", "[2] elsewhere")
    assert "2 of 3 published figures with a tolerance are met." in found["labels"].findings[1]
    bare = tables(made())
    assert "published" not in bare["labels"].columns and "outside" not in bare


def test_a_share_missed_within_its_interval_is_told_apart() -> None:
    share = made().shares[9].positive
    near = Published(f"positive/{LABELS[9]}", (share.share + share.high) / 2, 0.001, "x")
    far = Published(f"positive/{LABELS[1]}", 0.9, 0.01, "x")
    said = tables(made(published=(near, far)))["labels"].findings[1]
    assert "Of 2 shares that are not, 1 has the published value within its interval" in said


def texts_of(figure: Any) -> list[str]:
    return [t.get_text() for t in figure.findobj(match=lambda a: hasattr(a, "get_text"))]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_undefined_phi_is_drawn_as_a_dash(theme: Any) -> None:
    """Every label is readable."""
    data = made(published=FIGURES)
    figure = cooccurrence(data, theme)
    texts = texts_of(figure)
    assert texts.count("–") == 17  # the label that never occurs, against all others
    shown = [t.replace(r"\$", "$") for t in texts]
    assert all(shown.count(label) >= 2 for label in LABELS)
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in figure.axes[0].get_yticklabels()]
    assert all(a.y0 > b.y1 - 1 for a, b in pairwise(boxes))  # no two overlap
    assert all(b.x0 >= 0 for b in boxes)  # none is cut off
    title = next(t for t in figure.texts if "occur together" in t.get_text())
    assert title.get_window_extent().y0 > max(b.y1 for b in boxes)


def test_bars_show_measured_and_published() -> None:
    """No text leaves the figure."""
    data = made(published=FIGURES)
    figure = prevalence(data)
    texts = texts_of(figure)
    assert "measured" in texts and "◆ published" in texts and "90.0%" in texts
    assert "◆ published" not in texts_of(prevalence(made()))
    figure.draw_without_rendering()
    width = figure.bbox.width
    for text in figure.findobj(match=lambda a: hasattr(a, "get_text")):
        if text.get_text().strip() and text.get_visible():
            box = text.get_window_extent()
            assert box.x0 >= -1 and box.x1 <= width + 1, text.get_text()


def test_shares_are_never_rounded_to_nothing_or_to_all() -> None:
    assert [percent(x) for x in (0.0, 1e-6, 0.0069, 0.171, 0.99999, 1.0)] == [
        "0%", "<0.01%", "0.69%", "17.1%", ">99.9%", "100%",
    ]  # fmt: skip
    assert not math.isnan(float(percent(0.5).rstrip("%")))
