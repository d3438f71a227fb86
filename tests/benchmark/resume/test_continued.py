"""Which ends leave a run that goes on, and under which conditions it may."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from radpriv.benchmark.privacy.checkpoint import Checkpoints
from radpriv.benchmark.privacy.run import Run
from radpriv.benchmark.runs import runner
from radpriv.benchmark.store import pending_result
from radpriv.errors import StoreError

Make = Callable[..., Any]
STEPS = 5


@pytest.mark.parametrize("part", ["threads", "device", "micro_batches"])
def test_a_checkpoint_under_other_conditions_is_not_used(
    part: str, bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = bench("Decays").fresh()
    trial.stopped("_release", "after", 3)
    now = runner.conditions(trial.context.device)
    monkeypatch.setattr(runner, "conditions", lambda device: {**now, part: "another"})
    trial.run()
    assert trial.keys.drawn == 2
    assert [(a.why.reason, a.releases) for a in trial.attempts] == [("killed", 3)]


def test_threads_count_among_the_conditions() -> None:
    """Sums in another order have other last bits."""
    found = []

    def ask(count: int) -> None:
        torch.set_num_threads(count)
        found.append(runner.conditions(torch.device("cpu"))["threads"])

    for count in (1, 2):  # the setting is that of the thread that asks
        thread = threading.Thread(target=ask, args=(count,))
        thread.start()
        thread.join()
    assert found == [1, 2]


def test_changed_code_has_a_folder_of_its_own(bench: Make) -> None:
    trial = bench("Decays").fresh()
    trial.stopped("_release", "after", 3)
    other = replace(trial, how=replace(trial.how, python="another"))
    assert other.run().record.status == "done" and trial.keys.drawn == 2
    assert trial.folder.is_dir() and trial.run().record.status == "done"
    assert trial.keys.drawn == 2 and not trial.attempts


def test_never_cached_run_keeps_no_checkpoint_and_begins_anew(bench: Make) -> None:
    """A run that is never cached keeps no checkpoint and begins anew."""
    trial = bench("Decays").fresh()
    trial.how = replace(trial.how, why_not_cached="imports by name", nonce="1")
    written: list[str] = []
    real = Checkpoints.keep

    def watched(self: Checkpoints, *args: Any) -> None:
        real(self, *args)
        written.extend(p.name for p in (trial.folder / "private").glob("checkpoint*"))

    Checkpoints.keep = watched  # type: ignore[method-assign]
    try:
        trial.stopped("_release", "after", 3)
        assert not trial.folder.exists() and trial.attempts[0].why.reason == "interrupted"
        trial.run()
    finally:
        Checkpoints.keep = real  # type: ignore[method-assign]
    assert trial.keys.drawn == 2 and not written


def test_a_full_disk_leaves_a_run_that_goes_on(bench: Make) -> None:
    trial = bench("Decays")
    reference = trial.whole()
    trial = trial.fresh()
    full = OSError(errno.ENOSPC, "No space left on device")
    for owner, name in ((Run, "_release"), (runner, "write_parquet")):
        with pytest.raises(StoreError, match="space"), trial.stop(owner, name, "before", 3, full):
            trial.run()
        assert trial.folder.is_dir()
    assert trial.ends() == reference and trial.keys.drawn == 1 and not trial.attempts


def test_a_method_that_failed_does_not_go_on(bench: Make) -> None:
    trial = bench("Decays").fresh()
    with pytest.raises(ValueError), trial.stop(Run, "_release", "after", 3, ValueError("its own")):
        trial.run()
    assert not trial.folder.exists()
    assert [(a.why.reason, a.releases) for a in trial.attempts] == [("failed", 3)]
    trial.run()
    assert trial.keys.drawn == 2


@pytest.mark.parametrize("step", ["before the first file goes", "as the files go"])
def test_a_failure_that_was_cut_short_does_not_go_on(step: str, bench: Make) -> None:
    """Killed as its attempt was put away: no checkpoint may be found by the next worker."""
    trial = bench("Decays").fresh()
    name, when = ("_keep", "before") if step.startswith("before") else ("_remove", "before")
    with trial.stop(Run, "_release", "after", 3, ValueError("its own")):
        trial.stopped(name, when, 1, owner=pending_result)
    assert trial.folder.is_dir() and list(trial.folder.rglob("checkpoint-0.pt"))
    trial.run()
    assert trial.keys.drawn == 2 and [a.releases for a in trial.attempts] == [3]


def test_record_of_a_resumed_run_commits_to_its_first_key(bench: Make) -> None:
    """The record of a run that was resumed commits to the key it began with."""
    import hashlib

    trial = bench("Decays").fresh()
    trial.stopped("_release", "after", 3)
    found = trial.run()
    key = (found.folder / "private" / "run_key").read_bytes()
    assert key == b"\x01" * 32
    assert found.record.noise_key_commitment == hashlib.sha256(key).hexdigest()
