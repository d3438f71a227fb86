from __future__ import annotations

import io
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from radpriv.benchmark.methods.method import methods
from radpriv.reports.render.renderers import terminal
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.write import Report, write_report
from radpriv.workflow.report_plan import Outcome

INTERVAL = re.compile(r"\d\.\d\d \[\d\.\d\d, \d\.\d\d\]")
MISSING = "missing: 2 of 3 cells (failed (RuntimeError at model.py:95; --debug shows the rest))"


def shown(table: Table, width: int) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(terminal(table))
    return capture.get().splitlines()


def table_of(report: Report, key: str) -> Table:
    return next(t for t in report.terminal_tables() if t.key == key)


def leakage(*rows: tuple[str, str], apart: int = 0, encoders: tuple[str, ...] = ()) -> Table:
    """A leakage table with these names and budgets; the encoders are those of its records."""
    columns = ("method", "budget", "AUC, 95% interval", "TPR at 5% FPR", "candidates", "k")
    number = [TableCell(t, "number") for t in ("0.51 [0.46, 0.56]", "0.08", "479", "3")]
    made = tuple((TableCell(n, "name"), TableCell(b, "label"), *number) for n, b in rows)
    records = tuple({"encoder": e} for e in encoders)
    return Table("leakage", "Leakage", columns, made, apart=apart, records=records)


@pytest.fixture
def every_method(fake: Any) -> Report:
    """A report on every method that is shipped, under the suites' two finite ε."""
    found = {name: methods.get(name) for name in methods.names()}
    fake.private = {name: (0.7, 1.4) for name, m in found.items() if m.private}
    fake.non_private = {name: 1.8 for name, m in found.items() if not m.private}
    assert len(fake.private) >= 3 and len(fake.non_private) >= 4
    return write_report(fake.write(), "demo")


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_names_and_numbers_of_methods_stay_whole(every_method: Report, width: int) -> None:
    """No name or number of a shipped method is cut or broken."""
    for table in every_method.terminal_tables():
        lines = shown(table, width)
        assert "…" not in "".join(lines)
        assert max(map(cell_len, lines)) <= width
        for row in table.rows[: len(table.rows) - table.apart]:
            name = row[0].text.removesuffix(" (minilm)")
            found = [line for line in lines if line.split()[:1] == [name]]
            assert found, name
            numbers = [re.sub(r" \(.*", "", c.text) for c in row if "±" in c.text or "[" in c.text]
            assert numbers or any(c.text == "not resolvable" for c in row)
            for number in numbers:
                assert any(number in line for line in found), (name, number)


def test_the_interval_stands_beside_its_auc_at_80_columns(every_method: Report) -> None:
    table = table_of(every_method, "leakage")
    lines = [line for line in shown(table, 80) if INTERVAL.search(line)]
    whole = [row for row in table.rows if INTERVAL.fullmatch(row[2].text)]
    twice = sum(methods.get(name).private for name in methods.names())  # at two ε
    assert twice >= 3
    assert len(lines) == len(whole) == len(methods.names()) + twice + 1  # and the control


@given(st.integers(20, 200))
def test_lines_fit_the_terminal_and_none_is_cut(written: Report, width: int) -> None:
    """No line is wider than the terminal, and none is cut."""
    for table in written.terminal_tables():
        lines = shown(table, width)
        assert max(map(cell_len, lines)) <= width
        assert "…" not in "".join(lines)
        squeezed = "".join("".join(lines).split())
        if width >= 60:
            assert all(
                "".join(row[0].text.split(" (")[0].split(":")[0].split()) in squeezed
                for row in table.rows
            )


NUMBER = re.compile(r"[-−]?\d[\d.,]*")


@pytest.mark.parametrize("width", [16, 24, 32, 40, 48, 64, 80, 100, 140])
def test_numbers_and_methods_are_whole_at_any_width(every_method: Report, width: int) -> None:
    """Rows become blocks of lines before a number or a method's name is cut."""
    for table in every_method.terminal_tables():
        words = set(" ".join(shown(table, width)).split())
        for row in table.rows:
            name = row[0].text.split(" (")[0].split(":")[0]
            numbers = [n.strip(".,") for cell in row[1:] for n in NUMBER.findall(cell.text)]
            for word in [*name.replace(",", "").split(), *numbers]:
                assert len(word) > width - 4 or any(word in w for w in words), (word, width)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_poor_encodings_get_plainer_characters(written: Report, encoding: str) -> None:
    """What is printed can be encoded, columns stay below one another, and ε is "eps"."""
    for table in written.terminal_tables():
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        Console(file=file, width=100, color_system=None).print(terminal(table))
        file.flush()
        text = file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
        assert "?" not in text and "eps" in text
        assert max(map(cell_len, text.splitlines())) <= 100


@pytest.mark.parametrize("width", [40, 80, 120])
def test_findings_wrap_between_words(written: Report, width: int) -> None:
    table = table_of(written, "weighted")
    sentence = "At ε = 1, dp_linear_probe (minilm) beats dp_lora (minilm) by a margin. " * 3
    lines = shown(replace(table, findings=(sentence.strip(),)), width)
    start = next(i for i, line in enumerate(lines) if line.startswith("At ε"))
    words = " ".join(lines[start:]).split()
    assert words[: len(sentence.split())] == sentence.split()


def test_narrow_terminals_explain_their_short_words(
    written: Report,
) -> None:
    """Wide terminals keep the words of the page."""
    table = table_of(written, "leakage")
    wide, narrow = "\n".join(shown(table, 140)), "\n".join(shown(table, 64))
    assert "non-private" in wide and "∞" not in wide
    assert "non-private" not in narrow and "∞" in narrow
    for text in (" ".join(wide.split()), " ".join(narrow.split())):
        assert "encoder: minilm" in text and "refs: models of other seeds" in text
        assert "loss, AUC" in text and "ε ≥" in text
    best = table_of(written, "weighted")
    assert "(best)" in "\n".join(shown(best, 140))
    assert "▲ best at its ε" in "\n".join(shown(best, 72))


def test_legend_explains_only_what_is_there() -> None:
    text = "\n".join(shown(leakage(("tfidf", "non-private")), 120))
    assert "n/r" not in text and "encoder" not in text and "* see" not in text
    assert "n: candidates" in text and "k: seeds" in text


def test_several_encoders_have_a_column_or_a_line_of_their_own() -> None:
    rows = [(f"dp_lora ({e})", "ε = 1") for e in ("minilm", "bert-small")]
    table = leakage(*rows, ("tfidf (C=1)", "non-private"), encoders=("minilm", "bert-small"))
    wide = shown(table, 120)
    assert wide[2].split()[:3] == ["method", "encoder", "budget"]
    assert [line.split()[:2] for line in wide[4:6]] == [
        ["dp_lora", "minilm"],
        ["dp_lora", "bert-small"],
    ]
    narrow = shown(table, 60)
    assert narrow[4].startswith("dp_lora ") and narrow[5].startswith("  minilm")
    for lines in (wide, narrow):  # what stands in brackets and is no encoder stays
        assert any(line.startswith("tfidf (C=1) ") for line in lines)


def test_a_long_reason_moves_below_the_table() -> None:
    table = leakage(("dp_lora (minilm)", "ε = 1"), ("tfidf", "non-private"), encoders=("minilm",))
    row = table.rows[0]
    broken = replace(
        table, rows=((*row[:2], TableCell(MISSING, "missing"), *row[3:]), table.rows[1])
    )
    lines = shown(broken, 80)
    assert "missing" in next(line for line in lines if line.startswith("dp_lora")).split()
    said = " ".join(lines[6:])
    assert f"missing: dp_lora (minilm), ε = 1: {MISSING.removeprefix('missing: ')}" in said


def test_one_reason_of_many_rows_is_one_line() -> None:
    """And none where it stands above the table already."""
    table = leakage(("dp_lora", "ε = 1"), ("dp_lora", "ε = 8"), ("tfidf", "non-private"))
    rows = tuple((*row[:2], TableCell(MISSING, "missing"), *row[3:]) for row in table.rows)
    broken = replace(table, rows=rows)
    made = terminal(broken)
    assert made.reasons == [
        f"missing: dp_lora, ε = 1, ε = 8; tfidf, non-private: {MISSING.removeprefix('missing: ')}"
    ]
    short = "missing: dp_lora, ε = 1, ε = 8; tfidf, non-private: 2 of 3 cells (said above)"
    assert terminal(broken, made.sentences).reasons == [short]
    assert terminal(broken, ["RuntimeError at model.py:95"]).reasons == [short]
    assert terminal(table).sentences == frozenset()


def test_name_longer_than_the_terminal_is_all_there() -> None:
    """A name longer than the terminal is broken."""
    name = "my_own_method_with_a_name_that_nobody_can_fit_anywhere"
    lines = shown(leakage((name, "ε = 1")), 40)
    assert max(map(cell_len, lines)) <= 40
    assert name in "".join(lines[2:])


@pytest.mark.parametrize(("columns", "width"), [(None, 120), ("72", 72)])
def test_a_pipe_gets_120_columns_or_those_it_asks_for(
    written: Report,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: str | None,
    width: int,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    text = "word " * 100
    table = replace(table_of(written, "leakage"), findings=(text,))
    report = SimpleNamespace(terminal_tables=lambda: [table], page=written.page)
    Outcome(report).print(Console())
    lines = capsys.readouterr().out.splitlines()
    longest = max(cell_len(line.rstrip()) for line in lines if line.startswith("word"))
    assert width - 5 < longest <= width
