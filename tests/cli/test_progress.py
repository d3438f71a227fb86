"""What a long run says while it runs."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from radpriv import progress
from radpriv.progress import Tally, Watch


def planned(
    name: str,
    passes: float,
    status: str = "done",
    reason: str = "",
    dataset: str = "made-up",
    label: str = "dp_bow",
) -> Any:
    cell = SimpleNamespace(id=f"{name}-0123", dataset="made-up", method="dp_bow")
    job = SimpleNamespace(cell=cell, passes=passes, dataset_label=dataset, label=label)
    return SimpleNamespace(job=job, status=status, reason=reason)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_cell_line_gives_count_rate_and_time_left(
    clock: list[float],
) -> None:
    """How many are done, how fast, and how long the rest takes."""
    out = io.StringIO()
    cells = [planned("a", 0), planned("b", 6000), planned("c", 6000)]
    with Watch(cells, Console(file=out, width=200)) as watch:
        for cell, seconds, passes in ((cells[0], 4.0, 0.0), (cells[1], 60.0, 6000.0)):
            watch.before(cell)
            if passes:
                watch.tick("passes", 0.0)
                clock[0] += seconds
                watch.tick("passes", passes)
            else:
                clock[0] += seconds
            watch.after(cell)
    lines = [line for line in out.getvalue().splitlines() if "/3" in line]
    assert re.search(r"1/3 a 4\.0 s .*about 2 min left", lines[0])
    assert re.search(r"2/3 b 60\.0 s .*100 records/s .*about 1 min left", lines[1])


def test_cheap_cell_does_not_spoil_the_estimate(clock: list[float]) -> None:
    """Its rate is not that of a training."""
    cells = [planned("cheap", 0), planned("dear", 60_000)]
    watch = Watch(cells, Console(file=io.StringIO()))
    watch.before(cells[0])
    watch.tick("passes", 0.0)
    clock[0] += 1
    watch.tick("passes", 1e6)
    watch.after(cells[0])
    assert watch._time_left() == " · about 10 min left"


def with_encoder(name: str, encoder: str) -> Any:
    cell = planned(name, 0)
    cell.job.encoder = SimpleNamespace(sha256=encoder) if encoder else None
    return cell


def test_time_left_counts_what_is_left_to_map(clock: list[float]) -> None:
    """At the rate measured, and once more for an encoder that has not been met."""
    cells = [with_encoder(*c) for c in (("a", "x"), ("b", "x"), ("c", "y"), ("d", ""))]
    watch = Watch(cells[:2], Console(file=io.StringIO()))
    watch.before(cells[0])
    watch.tick("to map", 1201)
    watch.tick("mapped", 1)
    assert watch._time_left() == " · under 1 min left", "nothing is measured yet"
    clock[0] += 50
    watch.tick("mapped", 100)
    assert watch._time_left() == " · about 9 min left"
    clock[0] += 550
    watch.tick("mapped", 1100)
    assert watch._time_left() == " · under 1 min left"
    watch.after(cells[0])
    assert watch._time_left() == " · under 1 min left", "its features are there already"
    other = Watch(cells, Console(file=io.StringIO()))
    other.before(cells[0])
    other.tick("to map", 1201)
    other.tick("mapped", 1)
    clock[0] += 600
    other.tick("mapped", 1200)
    other.after(cells[0])
    assert other._time_left() == " · about 10 min left", "the other encoder's"
    for cell in cells[1:3]:
        other.before(cell)
        other.after(cell)
    assert other._time_left() == " · under 1 min left"


def test_failure_is_shown_in_full(clock: list[float]) -> None:
    """Brackets in its reason are no markup."""
    out = io.StringIO()
    cell = planned("a", 0, "failed", "tensor [red]x[/] is missing")
    watch = Watch([cell], Console(file=out, width=200))
    watch.before(cell)
    watch.after(cell)
    assert "failed 1/1 a" in out.getvalue()
    assert "tensor [red]x[/] is missing" in out.getvalue()


def test_labelled_dataset_is_called_by_its_label() -> None:
    """Brackets in it are no markup."""
    out = io.StringIO()
    cell = planned("transfer.tfidf.s0", 0, dataset="twin [red]to[/] Open-i")
    Watch([cell], Console(file=out, width=200)).after(cell)
    assert "1/1 twin [red]to[/] Open-i: transfer.tfidf.s0 " in out.getvalue()


def test_swept_cells_are_called_by_their_labels() -> None:
    """One method with other parameters has the same readable head, so its label stands behind."""
    out = io.StringIO()
    cells = [planned("made-up.dp_bow.s0", 0, label=label) for label in ("few [b]", "many")]
    watch = Watch(cells, Console(file=out, width=200))
    for cell in cells:
        watch.after(cell)
    lines = out.getvalue().splitlines()
    assert "1/2 made-up.dp_bow.s0 (few [b]) " in lines[0]
    assert "2/2 made-up.dp_bow.s0 (many) " in lines[1]


def test_attack_lines_give_count_rate_and_time_left(clock: list[float]) -> None:
    """One every half minute, where nobody looks on."""
    out = io.StringIO()
    with Tally(10, Console(file=out, width=200)) as tally:
        for _ in range(4):
            clock[0] += 20
            tally.tick("lira on tfidf [red]x[/]")
        tally.say("left out: [b]no canaries[/]")
    lines = out.getvalue().splitlines()
    assert len(lines) == 3, "not a line for each, where nobody looks on"
    assert lines[0].strip() == "2/10 attacks · lira on tfidf [red]x[/] · 3/min · about 3 min left"
    assert "4/10" in lines[1] and "about 2 min left" in lines[1]
    assert lines[2] == "left out: [b]no canaries[/]"


def test_attack_bar_takes_brackets_for_text(clock: list[float]) -> None:
    """On a terminal too."""
    out = io.StringIO()
    with Tally(2, Console(file=out, width=200, force_terminal=True)) as tally:
        clock[0] += 1
        tally.tick("x [red]y[/]")
        tally.bar.refresh()
    assert "x [red]y[/] · 60/min · under 1 min left" in out.getvalue()
