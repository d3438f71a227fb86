"""A checkpoint puts back all that steps change, bit by bit, or is not used at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import torch

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy.accounting.ledger import Ledger, Release, mend, read
from radpriv.benchmark.privacy.checkpoint import CONDITIONS, Checkpoints, conditions, resumable
from radpriv.benchmark.privacy.records import (
    MicroBatches,
    PrivateFeatures,
    PrivateRecords,
    Projection,
)
from radpriv.benchmark.store.atomic import write_json
from radpriv.errors import NotReproduced, PrivacyError, StoreError

NOW = {"device": "cpu", "threads": 1}


@pytest.fixture
def records(train: PrivateRecords) -> PrivateFeatures:
    return train.map("words", HashedWords(8, 1, True))


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "private", 0.0, NOW)


def trained(steps: int) -> tuple[Any, ...]:
    """A model, Adam, its schedule, a generator and an average, after some steps on no data."""
    model = LinearModel(8, 3, 1.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
    generator = torch.Generator().manual_seed(5)
    average = torch.optim.swa_utils.AveragedModel(model)
    state = (model, optimizer, schedule, generator, average)
    for _ in range(steps):
        move(state)
    return state


def move(state: tuple[Any, ...]) -> None:
    model, optimizer, schedule, generator, average = state
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=generator)
    optimizer.step()
    schedule.step()
    average.update_parameters(model)


def bits(state: tuple[Any, ...]) -> list[bytes]:
    """What further steps give: whatever was forgotten shows, a schedule in the second."""
    move(state)
    move(state)
    tensors = [*state[0].parameters(), *state[4].parameters(), *state[4].buffers()]
    return [t.detach().numpy().tobytes() for t in tensors]


def test_a_state_is_put_back_bit_by_bit(kept: Checkpoints, records: PrivateFeatures) -> None:
    state, again = trained(4), trained(0)
    records._diagnostics.note(records=3.0, loss=0.1, share_clipped=0.25)
    kept.keep(0, 4, False, True, state, records)
    rows = list(records._diagnostics.rows)
    records._diagnostics.rows.clear()
    assert kept.restore(0, again, records) == (4, True)
    assert bits(again) == bits(state) and records._diagnostics.rows == rows


@pytest.mark.parametrize("forgotten", [1, 2, 3, 4])
def test_entry_left_out_of_the_state_would_be_missed(
    forgotten: int, kept: Checkpoints, records: PrivateFeatures
) -> None:
    """Each entry that is left out of the state would be missed."""
    state, again = trained(4), trained(0)
    fewer = [tuple(e for i, e in enumerate(s) if i != forgotten) for s in (state, again)]
    kept.keep(0, 4, False, True, fewer[0], records)
    kept.restore(0, fewer[1], records)
    assert bits(again) != bits(state)


def test_average_beside_the_model_is_kept_with_its_buffers(
    kept: Checkpoints, records: PrivateFeatures
) -> None:
    """An average beside the model is kept with its frozen tensors and buffers."""
    state, again = trained(4), trained(0)
    for s in (state, again):
        s[4].requires_grad_(False)
    kept.keep(0, 4, False, True, state, records)
    kept.restore(0, again, records)
    assert int(again[4].n_averaged) == 4 and bits(again) == bits(state)


def test_each_loop_has_a_checkpoint_of_its_own(kept: Checkpoints, records: PrivateFeatures) -> None:
    kept.keep(0, 3, True, True, trained(3), records)
    kept.keep(3, 1, False, False, trained(1), records)
    assert kept.restore(0, trained(0), records) == (3, True)
    assert kept.restore(3, trained(0), records) == (1, False)
    assert kept.restore(4, trained(0), records) == (0, False)


def test_one_is_written_when_it_is_time_and_at_the_end(
    records: PrivateFeatures, tmp_path: Path
) -> None:
    seldom = Checkpoints(tmp_path / "private", 1e9, NOW)
    seldom.restore(0, trained(0), records)
    seldom.keep(0, 1, False, True, trained(1), records)
    assert not list(tmp_path.glob("private/*"))
    seldom.keep(0, 2, True, True, trained(2), records)
    assert {p.name for p in tmp_path.glob("private/*")} == {"checkpoint-0.pt", CONDITIONS}


def test_without_a_folder_none_is_kept(records: PrivateFeatures) -> None:
    none = Checkpoints(None, 0.0, NOW)
    none.keep(0, 1, True, True, trained(1), records)
    assert none.restore(0, trained(0), records) == (0, False)
    none.discard()


def test_its_files_are_the_owners_alone_and_gone_at_the_end(
    kept: Checkpoints, records: PrivateFeatures, tmp_path: Path
) -> None:
    kept.keep(0, 1, True, True, trained(1), records)
    files = list(tmp_path.glob("private/*"))
    assert len(files) == 2 and all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in files)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700
    (tmp_path / "private" / "run_key").write_bytes(b"k")
    kept.discard()
    assert [p.name for p in tmp_path.glob("private/*")] == ["run_key"]


@pytest.mark.parametrize("where", [0.0, 0.3, 0.6, 0.999])
def test_any_damage_is_seen_and_ends_the_attempt(
    where: float, kept: Checkpoints, records: PrivateFeatures, tmp_path: Path
) -> None:
    kept.keep(0, 2, True, True, trained(2), records)
    path = tmp_path / "private" / "checkpoint-0.pt"
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= 4
    for damaged in (bytes(data), bytes(data[: int(where * len(data))])):
        path.write_bytes(damaged)
        with pytest.raises(NotReproduced, match="cannot be read"):
            kept.restore(0, trained(0), records)


def test_a_checkpoint_of_another_model_ends_the_attempt(
    kept: Checkpoints, records: PrivateFeatures
) -> None:
    kept.keep(0, 2, True, True, trained(2), records)
    model = LinearModel(8, 3, 1.0)
    model.head.bias.requires_grad_(False)
    with pytest.raises(NotReproduced):
        kept.restore(0, (model, *trained(0)[1:]), records)


def test_a_checkpoint_that_would_run_code_runs_none(
    kept: Checkpoints, records: PrivateFeatures, tmp_path: Path
) -> None:
    import hashlib
    import pickle

    class Bad:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    kept.keep(0, 2, True, True, trained(2), records)
    data = pickle.dumps(Bad(), protocol=2)
    path = tmp_path / "private" / "checkpoint-0.pt"
    path.write_bytes(hashlib.sha256(data).digest() + data)
    with pytest.raises(NotReproduced):
        kept.restore(0, trained(0), records)
    assert not (tmp_path / "ran").exists()


def test_unkeepable_entry_is_refused_before_the_first_step(
    make_run: Any, records: PrivateFeatures
) -> None:
    """An entry that cannot be kept is refused before the first step."""
    model, optimizer, *_ = trained(0)
    with pytest.raises(PrivacyError, match=r"state: entry 2 \(float\) has no state_dict"):
        next(make_run().poisson(records, 0.5, 2, state=(model, optimizer, 0.5)))


def test_folder_is_resumable_only_under_the_same_conditions(
    kept: Checkpoints, records: PrivateFeatures, tmp_path: Path
) -> None:
    """Only a folder with a checkpoint under the same conditions is resumable."""
    folder = tmp_path / "private"
    assert resumable(folder, NOW) is False
    folder.mkdir()
    write_json(folder / CONDITIONS, NOW)
    assert not resumable(folder, NOW)
    kept.keep(0, 1, False, True, trained(1), records)
    assert resumable(folder, NOW) and not resumable(folder, {**NOW, "threads": 2})
    (folder / CONDITIONS).write_text("{")
    assert resumable(folder, NOW) is False


def test_conditions_name_device_threads_and_micro_batches() -> None:
    plan = MicroBatches()
    assert plan.tokens != plan.elements and conditions(torch.device("cpu")) == {
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "micro_batches": [plan.tokens, plan.elements],
    }


# The ledger of a run that goes on.


def line(step: int, sha256: str = "00") -> Release:
    return Release(step, "g", 1.0, 2.0, 0.5, sha256)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for step in range(4):
        ledger.append(line(step, f"{step:02x}"))
    return tmp_path / "ledger.jsonl"


def test_released_before_is_released_again_and_written_once(path: Path) -> None:
    """What was released before is released again and written once."""
    before = path.read_bytes()
    ledger = Ledger(path, read(path))
    ledger.settle(2)
    assert ledger.unmade == 2
    for step in (2, 3):
        ledger.append(line(step, f"{step:02x}"))
    assert path.read_bytes() == before and ledger.unmade == 0
    ledger.append(line(4, "04"))
    assert [r.step for r in read(path)] == [0, 1, 2, 3, 4] == [r.step for r in ledger.releases]


def test_another_value_is_refused_however_often_it_is_tried(path: Path) -> None:
    ledger = Ledger(path, read(path))
    ledger.settle(2)
    for value in (line(2, "ff"), line(2, "ff"), line(3, "03"), line(4, "04")):
        with pytest.raises(NotReproduced, match="must not be used for two values"):
            ledger.append(value)
    assert len(ledger.releases) == 2 and len(read(path)) == 4


@pytest.mark.parametrize("gone", [0, 1])
def test_step_behind_the_checkpoint_without_a_line_ends_it(path: Path, gone: int) -> None:
    """A step behind the checkpoint that has no line ends the attempt."""
    left = [r for r in read(path) if r.step != gone]
    with pytest.raises(NotReproduced, match=f"no line of step {gone}"):
        Ledger(path, left).settle(2)
    with pytest.raises(NotReproduced):
        Ledger(path, []).settle(2)
    Ledger(path).settle(2)  # a new run, whose loop may begin behind a step that was left


@pytest.mark.parametrize("cut", [1, 30, -1])
def test_half_a_last_line_is_cut_off_and_a_whole_one_is_not(path: Path, cut: int) -> None:
    whole = path.read_bytes()
    mend(path)
    assert path.read_bytes() == whole
    path.write_bytes(whole + whole.splitlines()[0][:cut])
    mend(path)
    assert path.read_bytes() == whole
    path.write_bytes(whole[:20])
    mend(path)
    assert path.read_bytes() == b""


def test_a_line_that_cannot_be_written_leaves_none_half_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, ledger = path.read_bytes(), Ledger(path, None)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="nothing was released"):
            ledger.append(line(4))
    assert path.read_bytes() == before and not ledger.releases
    ledger.append(line(4))
    assert [r.step for r in read(path)] == [0, 1, 2, 3, 4]


def test_checkpoint_is_written_every_thirty_seconds_by_default() -> None:
    """A checkpoint is written every thirty seconds unless told."""
    assert Checkpoints(None)._every == 30.0


def test_the_conditions_name_the_card_of_a_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    assert conditions(torch.device("cuda", 1))["device"] == "card 1"
    assert conditions(torch.device("cpu"))["device"] == "cpu"


def test_what_releases_showed_of_canaries_is_put_back(
    kept: Checkpoints, records: PrivateFeatures
) -> None:
    shown = [Projection(0, "gradient", (1.5, 0.0)), Projection(1, "gradient", (-0.25, 2.0))]
    records._diagnostics.projections[:] = shown
    kept.keep(0, 2, True, True, trained(2), records)
    records._diagnostics.projections.clear()
    kept.restore(0, trained(0), records)
    assert records._diagnostics.projections == shown
