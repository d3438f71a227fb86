"""What cannot be attacked is a line, and loses nothing that was made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from radpriv.attacks import attack_plan as stage_module

from .shared import Radpriv, WriteSuite, cells, results, write_attack


@pytest.mark.parametrize("name", ["candidates", "flags"])
def test_exchanged_private_files_are_not_attacked(
    radpriv: Radpriv, ran: Path, tmp_path: Path, name: str
) -> None:
    """Those of two seeds that changed places would give a wrong leakage."""
    own = [c for c in cells(tmp_path / "store", "dp_bow") if c["role"] == "cell"]
    folders = [tmp_path / "store" / "cells" / c["cell_id"] / c["fingerprint"] for c in own]
    one, two = (folder / "private" / f"{name}.parquet" for folder in folders)
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    done = radpriv("attack", ran, "--attack", "blind", "--json")
    assert done.code == 1
    (line,) = json.loads(done.out)["not_attacked"]
    assert line.startswith("blind on dp_bow") and f"{name}.parquet" in line
    assert "those lie in" in line and "2 results of blind" in done.err


def test_unknown_attack_is_refused_before_training(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    """Nothing is written either."""
    suite = write_suite("prior", attacks='["los"]')
    assert "did you mean 'loss'" in radpriv("run", suite).only_line
    assert not (tmp_path / "store").exists()
    bad = write_suite("prior", attacks='"loss"')
    assert "expected a list of texts" in radpriv("run", bad).only_line


def test_suite_without_attacks_makes_none(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    """An empty list is none, not the usual ones."""
    done = radpriv("run", write_suite("prior", attacks="[]"))
    assert done.code == 0 and results(tmp_path / "store") == {}
    assert "no attack was asked for" in done.err


def test_interrupt_keeps_finished_attacks(
    radpriv: Radpriv, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next call serves them and makes the rest."""
    store, mine = tmp_path / "store", write_attack(tmp_path / "mine.py")
    before = (store / "plans" / "tiny.json").read_bytes()
    attacked, calls = stage_module.attack_family, []

    def once(*args: Any) -> Any:
        calls.append(args[0])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return attacked(*args)

    monkeypatch.setattr(stage_module, "attack_family", once)
    stopped = radpriv("attack", ran, "--attack", mine)
    assert stopped.code == 130 and "finished attacks are kept" in stopped.err
    assert len([r for r in results(store).values() if r.attack == "shorter"]) == 1
    assert (store / "plans" / "tiny.json").read_bytes() == before
    done = radpriv("attack", ran, "--attack", mine)
    assert done.code == 0 and "3 results of shorter" in done.err
    assert len(calls) == 2 + 2  # the first one was served


def test_note_and_attacks_leave_the_plan_as_it_is(radpriv: Radpriv, ran: Path) -> None:
    """Neither is part of what was run."""
    text = ran.read_text()
    ran.write_text(text.replace('attacks = ["loss"]', 'note = "x"\nattacks = []'))
    done = radpriv("attack", ran)
    assert done.code == 0 and "no attack was asked for" in done.err, done.err


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise ValueError(view.labels)", "it ended with ValueError at mine.py:"),
        ("import sys; sys.exit(3)", "it ended with SystemExit at mine.py:"),
        ("view.logits[0, 0] = 1.0; return view.length.astype(np.float64)", "ValueError at mine.py"),
        ("return view.member", "AttributeError at mine.py"),
        ("return np.full(len(view.slots), np.nan)", "scores are not finite"),
    ],
)
def test_failing_attack_is_named_without_its_words(
    radpriv: Radpriv, ran: Path, tmp_path: Path, body: str, expected: str
) -> None:
    """They may quote a report; the other attacks are made."""
    mine = write_attack(tmp_path / "mine.py", body=body)
    done = radpriv("attack", ran, "--attack", mine, "--attack", "loss", "--json")
    assert done.code == 1 and "Traceback" not in done.err
    failed = json.loads(done.out)["not_attacked"]
    assert len(failed) == 3 and all(expected in line for line in failed), failed
    assert {r.attack for i, r in results(tmp_path / "store").items()} >= {"loss"}
    assert "3 results of shorter, loss on 3 families" in done.err


def test_unreadable_family_is_named_and_others_attacked(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    """A damaged record costs its own family alone."""
    store = tmp_path / "store"
    cell = cells(store, "prior")[0]
    record = store / "cells" / cell["cell_id"] / cell["fingerprint"] / "record.json"
    complete = record.read_text()
    record.chmod(0o600)
    record.write_text("{")
    done = radpriv("attack", ran, "--attack", "blind")
    assert "blind on prior" in done.err and str(record) in done.err
    record.write_text(complete)
    assert done.code in (1, 2)  # the report, too, needs that cell
    assert {r.attack for r in results(store).values()} >= {"blind"}
