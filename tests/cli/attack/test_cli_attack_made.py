"""`radpriv attack`: a suite or a cell, attacks by name or by file, resumed, without training."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from radpriv.benchmark.datasets.base import make_loader
from radpriv.benchmark.store import fingerprint as fingerprints

from .shared import Radpriv, cells, listed, results, write_attack


def test_attack_adds_results_to_those_of_the_run(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    """A run makes the attacks of the suite, and `radpriv attack` adds others to the plan."""
    store = tmp_path / "store"
    first = results(store)
    assert {r.attack for r in first.values()} == {"loss"} and len(first) == 3
    assert listed(store) == sorted(first)
    mine = write_attack(tmp_path / "mine.py")
    done = radpriv("attack", ran, "--attack", mine, "--attack", "loss")
    assert done.code == 0, done.err
    assert "6 results of shorter, loss on 3 families" in done.err and "report: " in done.out
    second = results(store)
    assert set(first) < set(second) and len(second) == 6
    assert listed(store) == sorted(second)
    assert radpriv("attack", ran).code == 0  # the suite's own again: the others stay listed
    assert listed(store) == sorted(second)


def test_report_shows_what_attacks_write(radpriv: Radpriv, ran: Path) -> None:
    """What one stage writes, the next one reads."""
    tables = json.loads(radpriv("attack", ran, "--json").out)["datasets"][0]["tables"]
    assert "leakage:loss" in tables, "results count by another rule than the reports show"
    assert {r["method"] for r in tables["leakage:loss"]["records"]} >= {"dp_bow", "prior"}


def test_plugin_attack_is_kept_with_its_source(radpriv: Radpriv, ran: Path, tmp_path: Path) -> None:
    """Another source is another result; another docstring is not."""
    store = tmp_path / "store"
    mine = write_attack(tmp_path / "mine.py")
    assert radpriv("attack", ran, "--attack", mine).code == 0
    one = {i for i, r in results(store).items() if r.attack == "shorter"}
    (kept,) = store.glob("sources/*/mine.py")
    assert kept.read_bytes() == mine.read_bytes() and len(one) == 3

    mine.write_text(mine.read_text().replace("A docstring.", "Another docstring."))
    assert radpriv("attack", ran, "--attack", mine).code == 0
    assert {i for i, r in results(store).items() if r.attack == "shorter"} == one

    write_attack(mine, body="return view.length.astype(np.float64)")
    assert radpriv("attack", ran, "--attack", mine).code == 0
    two = {i for i, r in results(store).items() if r.attack == "shorter"}
    assert one < two and len(two) == 6
    assert set(listed(store)) & two == two - one  # the plan lists what was made last
    pairs = {results(store)[i].family: i for i in one}
    for attack_id in two - one:
        found = results(store)[attack_id]
        old = results(store)[pairs[found.family]]
        assert found.summary[found.role] != old.summary[found.role] and found.fingerprint


def test_installed_attack_is_one_entry_point(
    radpriv: Radpriv, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package needs no more to be listed and run, and its helpers count in the fingerprint."""
    site = tmp_path / "site"
    write_attack(site / "probes" / "short.py", body="return score_of(view)").write_text(
        "from probes.helper import score_of\n" + (site / "probes" / "short.py").read_text()
    )
    helper = site / "probes" / "helper.py"
    helper.write_text("def score_of(view):\n    return -view.length.astype(float)\n")
    (site / "probes" / "__init__.py").touch()
    info = site / "probes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: probes\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"probes/{n}.py,,\n" for n in ("__init__", "short")))
    (info / "entry_points.txt").write_text("[radpriv.attacks]\nshorter = probes.short\n")
    monkeypatch.syspath_prepend(str(site))
    fingerprints._owners.cache_clear()
    try:
        assert "shorter" in json.loads(radpriv("list", "attacks", "--json").out)["attacks"]
        made = []
        for text in (helper.read_text(), "def score_of(view):\n    return view.length * 1.0\n"):
            helper.write_text(text)
            done = radpriv("attack", "synthetic-plain.dp_bow", "--attack", "shorter")
            assert "1 result of shorter" in done.err, done.err
            found = results(tmp_path / "store")
            made.append({i for i, r in found.items() if r.attack == "shorter"})
        assert len(made[0]) == 1 and len(made[1]) == 2  # a helper two imports away counts
    finally:
        fingerprints._owners.cache_clear()
        for module in [m for m in sys.modules if m.partition(".")[0] == "probes"]:
            del sys.modules[module]


def test_attack_that_needs_texts_gets_them(radpriv: Radpriv, ran: Path, tmp_path: Path) -> None:
    """Through the loader; no word of them is stored."""
    body = (
        "assert len(view.texts) == len(view.slots) and len(view.population.texts) > 0; "
        "return np.array([float(len(t)) for t in view.texts])"
    )
    done = radpriv("attack", ran, "--attack", write_attack(tmp_path / "t.py", '"texts"', body))
    assert "3 results of shorter on 3 families" in done.err, done.err
    reports = make_loader("synthetic-plain", {"reports": 120}).load(None).texts
    word = max(reports[0].split(), key=len)
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            assert word.encode() not in path.read_bytes(), path


def test_unmet_need_leaves_the_attack_out(radpriv: Radpriv, ran: Path, tmp_path: Path) -> None:
    """With its reason, and without a traceback."""
    mine = write_attack(tmp_path / "u.py", '"untuned"')
    done = radpriv("attack", ran, "--attack", mine)
    assert done.code == 0 and "0 results of shorter" in done.err
    assert "tunes no encoder" in done.err and "Traceback" not in done.err
    done = radpriv(
        "attack", ran, "--data", tmp_path / "none", "--attack", write_attack(mine, '"texts"')
    )
    assert done.code == 0 and "none: no such folder" in done.err
    assert "0 results of shorter" in done.err


def test_start_of_a_cell_attacks_its_family_alone(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    """By the whole id, or by any start that fits one family."""
    store = tmp_path / "store"
    cell = cells(store, "dp_bow")[1]
    mine = write_attack(tmp_path / "mine.py")
    for text in (cell["cell_id"], cell["cell_id"][:-10], "synthetic-plain.dp_bow"):
        done = radpriv("attack", text, "--attack", mine)
        assert done.code == 0, done.err
        assert "1 result of shorter on 1 family" in done.err
    made = [r for r in results(store).values() if r.attack == "shorter"]
    assert len(made) == 1 and made[0].family == cell["family"]
    assert len(made[0].cells) == 2
    assert len(listed(store)) == 4  # with the three of the run
    default = radpriv("attack", cell["cell_id"])  # the suite's own attacks
    assert "1 result of loss on 1 family" in default.err and len(listed(store)) == 4
    summary = json.loads(radpriv("attack", cell["cell_id"], "--json").out)
    assert summary["datasets"][0]["dataset"] == "synthetic-plain"


def test_cell_is_attacked_when_its_suite_is_gone(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    """From stored scores; what needs the data says that the suite cannot be read."""
    ran.unlink()
    done = radpriv("attack", "synthetic-plain.dp_bow", "--attack", "loss")
    assert done.code == 0 and "1 result of loss" in done.err, done.err
    texts = write_attack(tmp_path / "t.py", '"texts"')
    done = radpriv("attack", "synthetic-plain.dp_bow", "--attack", texts)
    assert done.code == 0 and "tiny.toml: cannot be read" in done.err


def test_names_that_fit_nothing_or_too_much_are_one_line(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    """Of suites, cells, attacks and files alike."""
    assert "did you mean 'quickstart'" in radpriv("attack", "quickstrat").only_line
    several = radpriv("attack", "synthetic-plain").only_line
    assert "fits 3 families" in several and "dp_bow" in several
    assert "did you mean 'loss'" in radpriv("attack", ran, "--attack", "los").only_line
    assert "cannot be read" in radpriv("attack", ran, "--attack", "none.py").only_line
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    assert "registers no attack" in radpriv("attack", ran, "--attack", empty).only_line
    wrong = radpriv("attack", "synthetic-plain.dp_bow", "--limit", "60").only_line
    assert "belong to a suite" in wrong
