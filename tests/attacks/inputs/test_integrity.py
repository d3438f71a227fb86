"""Private files that lie in another seed's folder are noticed, and own ones raise no alarm."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from radpriv.attacks.inputs.cell_outputs import Outputs, load, open_cell
from radpriv.attacks.inputs.integrity import check_own
from radpriv.attacks.run_family import attack_family
from radpriv.errors import AttackError

WriteCell = Callable[..., Path]
Seeds = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture
def folders(write_cell: WriteCell, untrained: Seeds) -> list[Path]:
    return [write_cell(seed, *untrained[seed]) for seed in range(3)]


@dataclass
class Truth:
    """Coins and models of each seed, whatever lies in the files. asked: seeds whose model was."""

    seeds: Seeds
    asked: list[int] = field(default_factory=list)
    noise: float = 1e-5
    blind: bool = False

    def member(self, outputs: Outputs) -> np.ndarray | None:
        return None if self.blind else self.seeds[outputs.cell.record.seed][2]

    def answers(self, outputs: Outputs, rows: np.ndarray) -> np.ndarray | None:
        self.asked.append(outputs.cell.record.seed)
        return None if self.blind else self.seeds[outputs.cell.record.seed][0][rows] + self.noise


def swap(folders: list[Path], name: str, *order: int) -> None:
    """The file `name` of folder i becomes that of folder order[i]."""
    content = [(f / "private" / name).read_bytes() for f in folders]
    for folder, i in zip(folders, order):
        (folder / "private" / name).write_bytes(content[i])


def check(folders: list[Path], truth: Truth | None, targets: int = 3) -> None:
    check_own([load(open_cell(f)) for f in folders], targets, truth)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", permutations(range(3)))
@pytest.mark.parametrize("name", ["flags", "candidates"])
def test_swapped_files_are_named_with_the_right_folder(
    folders: list[Path], untrained: Seeds, name: str, order: tuple[int, ...]
) -> None:
    """Files that changed places are named with the folder that has the right ones."""
    swap(folders, f"{name}.parquet", *order)
    moved = [i for i in range(3) if order[i] != i]
    if not moved:
        check(folders, Truth(untrained))
        return
    with pytest.raises(AttackError) as error:
        check(folders, Truth(untrained))
    said = str(error.value)
    assert f"{folders[moved[0]]}/private/{name}.parquet" in said and "\n" not in said
    assert f"those lie in {folders[order.index(moved[0])]}" in said and "put them back" in said


def test_scores_copied_from_another_seed_are_seen(folders: list[Path], untrained: Seeds) -> None:
    """A copy of one seed over another is seen without the data."""
    swap(folders, "candidates.parquet", 0, 1, 1)
    with pytest.raises(AttackError, match=r"cell2/private/cand.*the same scores as in .*cell1"):
        check(folders, None)


def test_coins_copied_from_another_seed_are_seen(folders: list[Path]) -> None:
    """Coins of one seed over another are seen without the data."""
    swap(folders, "flags.parquet", 2, 1, 2)
    with pytest.raises(AttackError, match=r"cell2/private/flags.*the same coins as in .*cell0"):
        attack_family("loss", {}, [open_cell(f) for f in folders], "f")


def test_untrained_scores_and_few_coins_may_be_alike(
    write_cell: WriteCell, untrained: Seeds
) -> None:
    """A method that learns nothing may score alike, and few coins may fall alike."""
    logits, labels, member = untrained[0]
    same = [write_cell(s, logits, labels, untrained[s][2]) for s in range(2)]
    check(same, None)
    shutil.rmtree(same[0])
    few = [same[1], write_cell(0, logits[:39], labels[:39], member[:39])]
    again = write_cell(2, logits[:39] + 1, labels[:39], member[:39])
    check([few[1], again], None)


def test_rounding_of_another_machine_is_no_other_model(
    folders: list[Path], untrained: Seeds
) -> None:
    check(folders, Truth(untrained, noise=0.01))
    check(folders, Truth(untrained, noise=0.2))  # far from all seeds, so it is not another's


def test_models_of_references_are_not_asked(folders: list[Path], untrained: Seeds) -> None:
    truth = Truth(untrained)
    check(folders, truth, targets=1)
    assert truth.asked == [0]


def test_without_data_nothing_is_said(folders: list[Path], untrained: Seeds) -> None:
    swap(folders, "flags.parquet", 1, 0, 2)
    check(folders, Truth(untrained, blind=True))


def test_private_folder_with_the_key_of_another_run_is_named(
    write_cell: WriteCell, untrained: Seeds
) -> None:
    folders = []
    for seed in range(2):
        key = bytes([seed]) * 32
        told = {"noise_key_commitment": hashlib.sha256(key).hexdigest()}
        folders.append(write_cell(seed, *untrained[seed], **told))
        (folders[-1] / "private" / "run_key").write_bytes(key)
    check(folders, None)
    first, second = (f / "private" for f in folders)
    first.rename(first.with_name("aside"))
    second.rename(first)
    first.with_name("aside").rename(second)
    with pytest.raises(AttackError, match="cell0/private/run_key: not the key"):
        check(folders, None)
    for folder in folders:
        (folder / "private" / "run_key").unlink()
    check(folders, None)
