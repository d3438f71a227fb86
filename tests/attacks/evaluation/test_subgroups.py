"""By label, group and patient: what leaks is found where it was put, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radpriv.attacks import metrics
from radpriv.attacks.evaluation.near_copies import FEWEST
from radpriv.attacks.evaluation.subgroups import patient_row
from radpriv.attacks.inputs.cell_outputs import open_cell
from radpriv.attacks.run_family import attack_family
from radpriv.benchmark.store.attack_schema import Interval, Patients, Subgroup
from radpriv.benchmark.store.results import FinishedCell

WriteCell = Callable[..., Path]
M, L = 800, 4


def auc(row: Subgroup | Patients | None) -> Interval:
    assert row is not None and row.auc is not None
    return row.auc


def leaking(
    write_cell: WriteCell, seed: int, where: Callable[[np.ndarray], np.ndarray]
) -> FinishedCell:
    """Logits that fit members better wherever `where(labels)` says so, by two deviations."""
    labels = (np.random.default_rng(0).random((M, L)) < [0.5, 0.4, 0.3, 0.02]).astype(np.float32)
    rng = np.random.default_rng(seed + 1)
    member = rng.random(M) < 0.5
    logits = rng.standard_normal((M, L)).astype(np.float32)
    logits += (2 * (where(labels) & member[:, None]) * (2 * labels - 1)).astype(np.float32)
    return open_cell(write_cell(seed, logits, labels, member))


def test_leaking_label_is_named_first(write_cell: WriteCell) -> None:
    """The label that leaks is named first, and others are at chance."""
    third = np.arange(L) == 2
    cells = [leaking(write_cell, s, lambda y: third & (y >= 0)) for s in range(3)]
    result, _ = attack_family("loss", {}, cells, "f")
    assert result.subgroups is not None
    first, *others = result.subgroups.labels
    assert first.name == "label 2" and auc(first).low > 0.6
    for row in others:
        assert auc(row).low <= 0.5 <= auc(row).high


def test_group_that_leaks_is_told_from_one_that_does_not(write_cell: WriteCell) -> None:
    cells = [leaking(write_cell, s, lambda y: (y[:, 3:] > 0) & (y >= 0)) for s in range(4)]
    result, _ = attack_family("loss", {}, cells, "f")
    assert result.subgroups is not None
    groups = {g.name: g for g in result.subgroups.groups}
    rare, others = groups["a rare label"], groups["other labels only"]
    assert rare.auc is None or rare.auc.low > 0.5
    assert auc(others).low <= 0.5 <= auc(others).high
    parts = ("a rare label", "other labels only", "no label")
    assert sum(groups[n].candidates for n in parts) == M


def test_control_has_no_subsets(write_cell: WriteCell) -> None:
    cell = leaking(write_cell, 0, lambda y: y >= 0)
    control = FinishedCell(cell.folder, replace(cell.record, role="control"))
    assert attack_family("loss", {}, [control], "f")[0].subgroups is None


def patients_and_coins(rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    sizes = rng.integers(1, 4, 600)
    patients = [f"p{i}" for i, size in enumerate(sizes) for _ in range(size)]
    return patients, rng.random(len(patients)) < 0.5


def test_patients_are_at_chance_on_a_model_that_saw_none() -> None:
    """Patients attacked as one are at chance on a model that saw nothing."""
    rng = np.random.default_rng(3)
    outside = 0
    for _ in range(60):
        patients, member = patients_and_coins(rng)
        row = patient_row(patients, [(rng.standard_normal(len(patients)), member)])
        outside += not auc(row).low <= 0.5 <= auc(row).high
    assert outside <= 8  # binomial(60, 0.05): more than 8 with probability 0.001


def test_number_of_reports_alone_tells_nothing() -> None:
    """The number of reports alone tells nothing, but would if any member counted.

    Broken variant: a patient of whom any report is in counts as a member.
    """
    rng = np.random.default_rng(4)
    patients, member = patients_and_coins(rng)
    number = np.unique(patients, return_inverse=True)[1]
    size = np.bincount(number)[number].astype(float) + 1e-9 * rng.random(len(patients))
    row = patient_row(patients, [(size, member)])
    assert auc(row).low <= 0.5 <= auc(row).high
    any_in = np.bincount(number, weights=member) > 0
    assert metrics.auc(np.bincount(number).astype(float), any_in) > 0.6


def test_reports_of_a_patient_together_say_more_than_one() -> None:
    """Reports of one patient together say more than each alone."""
    rng = np.random.default_rng(5)
    patients = [f"p{i // 4}" for i in range(2400)]
    member = np.repeat(rng.random(600) < 0.5, 4)
    scores = rng.standard_normal(2400) + 0.5 * member
    row = patient_row(patients, [(scores, member)])
    assert row is not None and row.patients == 600 and row.reports == 4
    assert auc(row).value > 0.7  # one report: Φ(0.5/√2) = 0.64; four: Φ(1/√2) = 0.76


def test_single_reports_and_few_patients_give_no_figure() -> None:
    scores, member = np.arange(20.0), np.arange(20) % 2 == 0
    assert patient_row([f"p{i}" for i in range(20)], [(scores, member)]) is None
    few = patient_row([f"p{i // 2}" for i in range(20)], [(scores, np.repeat(member[:10], 2))])
    assert few is not None and few.patients == 10 < 2 * FEWEST and few.auc is None


@pytest.mark.parametrize("seeds", [2, 3])
def test_patients_interval_covers_over_seeds(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    inside = 0
    for _ in range(40):
        patients = [f"p{i // 2}" for i in range(400)]
        runs = []
        for _ in range(seeds):
            member = rng.random(400) < 0.5
            runs.append((rng.standard_normal(400) + member, member))
        row = patient_row(patients, runs)
        inside += auc(row).low <= 0.841 <= auc(row).high  # Φ(2 / √2 / √2)
    assert inside >= 34
