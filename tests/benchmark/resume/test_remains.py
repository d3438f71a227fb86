"""What a stopped run left must be what it was; else the run begins anew under a new key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.privacy.accounting.ledger import read
from radpriv.benchmark.privacy.checkpoint import Checkpoints

Make = Callable[..., Any]
STEPS = 5


def change_line(number: int, **values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        lines = (folder / "ledger.jsonl").read_text().splitlines()
        lines[number] = json.dumps({**json.loads(lines[number]), **values}, sort_keys=True)
        (folder / "ledger.jsonl").write_text("\n".join(lines) + "\n")

    return change


def add_line(folder: Path) -> None:
    lines = (folder / "ledger.jsonl").read_text().splitlines()
    more = json.dumps({**json.loads(lines[-1]), "step": 99}, sort_keys=True)
    (folder / "ledger.jsonl").write_text("\n".join([*lines, more]) + "\n")


def drop_line(folder: Path) -> None:
    lines = (folder / "ledger.jsonl").read_text().splitlines()
    (folder / "ledger.jsonl").write_text("\n".join(lines[1:]) + "\n")


def damage_ledger(folder: Path) -> None:
    text = (folder / "ledger.jsonl").read_text()
    (folder / "ledger.jsonl").write_text("\0" + text[1:])


def turn_bit(folder: Path) -> None:
    path = folder / "private" / "checkpoint-0.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_checkpoint(folder: Path) -> None:
    path = folder / "private" / "checkpoint-0.pt"
    path.write_bytes(path.read_bytes()[:-100])


def lose_key(folder: Path) -> None:
    (folder / "private" / "run_key").unlink()


CHANGES: dict[str, Callable[[Path], None]] = {
    "a hash": change_line(3, sha256="00" * 32),
    "a noise multiplier": change_line(3, noise_multiplier=1.0),
    "a sensitivity": change_line(3, sensitivity=2.0),
    "a rate": change_line(3, rate=0.25),
    "a line that the run does not make": add_line,
    "a line of a step before the checkpoint gone": drop_line,
    "a ledger of no sense": damage_ledger,
    "a bit of the checkpoint": turn_bit,
    "the end of the checkpoint": cut_checkpoint,
    "the key": lose_key,
}


@pytest.mark.parametrize("what", CHANGES)
def test_run_that_misses_what_it_left_begins_anew_with_a_new_key(what: str, bench: Make) -> None:
    """A run that does not find what it left begins anew under a new key."""
    trial = bench("Decays").fresh()
    with trial.checkpoint_only_after(2):
        trial.stopped("_release", "after", 4)
    CHANGES[what](trial.folder)
    lines = (trial.folder / "ledger.jsonl").read_bytes()
    found = trial.run()
    assert found.record["status"] == "done" and trial.keys.drawn == 2
    (attempt,) = trial.attempts
    assert {p.name for p in attempt.folder.rglob("*")} == {"ledger.jsonl", "reason.json"}
    assert (attempt.folder / "ledger.jsonl").read_bytes() == lines
    hashes = {r.sha256 for r in read(found.folder / "ledger.jsonl")}
    assert len(hashes) == STEPS and not [h for h in hashes if h.encode() in lines]


@pytest.mark.parametrize("noise", ["replayable", "secret"])
def test_forgotten_schedule_begins_anew_and_releases_once(noise: str, bench: Make) -> None:
    """A method that forgets its schedule begins anew and releases no second value."""
    trial = bench("Forgets", noise).fresh()
    with trial.checkpoint_only_after(2):
        trial.stopped("_release", "after", STEPS)
    before = read(trial.folder / "ledger.jsonl")
    found = trial.run()
    (attempt,) = trial.attempts
    assert "step 4: release 'gradient' is not what it was" in attempt.sentence
    assert read(attempt.folder / "ledger.jsonl") == before and attempt.releases == STEPS
    again = read(found.folder / "ledger.jsonl")
    if noise == "secret":
        assert trial.keys.drawn == 2 and not {r.sha256 for r in before} & {r.sha256 for r in again}
    else:
        assert again == before


def test_half_a_ledger_line_is_cut_and_the_run_goes_on(bench: Make) -> None:
    trial = bench("Decays")
    reference = trial.whole()
    trial = trial.fresh()
    trial.stopped("_release", "after", 3)
    path = trial.folder / "ledger.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes()[:40])
    assert trial.ends() == reference and not trial.attempts


def test_run_that_died_removing_checkpoints_begins_anew(bench: Make) -> None:
    """A run that died as its checkpoints were removed begins anew.

    With one loop's checkpoint gone it would restart from step 0, and a restart takes a key.
    """
    for unlinked in (1, 2, 3):
        trial = bench("TwoLoops").fresh(f"died{unlinked}")
        trial.stopped("discard", "before", 1, owner=Checkpoints)
        left = sorted((trial.folder / "private").glob("checkpoint*"), key=lambda p: p.suffix)
        assert [p.suffix for p in left] == [".json", ".pt", ".pt"]
        for path in left[:unlinked]:
            path.unlink()
        assert trial.run().record["status"] == "done"
        assert trial.keys.drawn == 2 and [a.releases for a in trial.attempts] == [5]


def test_checkpoint_folder_without_a_checkpoint_is_not_resumed(bench: Make) -> None:
    """A checkpoint folder without a checkpoint is no run that can be resumed."""
    trial = bench("Decays").fresh()
    trial.stopped("_release", "after", 2)
    (trial.folder / "private" / "checkpoint-0.pt").unlink()
    trial.run()
    assert trial.keys.drawn == 2 and [a.releases for a in trial.attempts] == [2]
