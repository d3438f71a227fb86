"""One family end to end: files in, rows of the attack, of the null and of the control out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radpriv.attacks import metrics
from radpriv.attacks.attack import Attack, attacks
from radpriv.attacks.evaluation.attack_results import RIVALS
from radpriv.attacks.inputs.cell_outputs import open_cell
from radpriv.attacks.metrics import Floats
from radpriv.attacks.run_family import attack_family, attack_id, write_result
from radpriv.attacks.view import View
from radpriv.benchmark.cell import AuditPolicy, Budget
from radpriv.benchmark.store.attack_schema import SeedRow, read_result
from radpriv.benchmark.store.results import FinishedCell
from radpriv.errors import AttackError

WriteCell = Callable[..., Path]
Seeds = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture
def family(write_cell: WriteCell, untrained: Seeds) -> list[FinishedCell]:
    return [open_cell(write_cell(s, *seed)) for s, seed in enumerate(untrained)]


@pytest.fixture
def control(write_cell: WriteCell, overfitted: Seeds) -> list[FinishedCell]:
    return [
        open_cell(write_cell(s, *seed, role="control", epsilon=math.inf))
        for s, seed in enumerate(overfitted)
    ]


@pytest.fixture
def extra() -> Iterator[list[View]]:
    """Registers attacks that are wrong on purpose; the views that 'spy' was shown."""
    seen: list[View] = []

    @attacks.register("flipped")
    @dataclass(frozen=True)
    class Flipped(Attack):
        def score(self, view: View) -> Floats:
            return -attacks.get("loss")().score(view)

    @attacks.register("first-column")
    @dataclass(frozen=True)
    class FirstColumn(Attack):
        def score(self, view: View) -> Floats:
            return view.logits[:, 0].astype(np.float64)

    @attacks.register("spy")
    @dataclass(frozen=True)
    class Spy(Attack):
        power: float = 1.0

        def score(self, view: View) -> Floats:
            seen.append(view)
            return np.zeros(len(view))

    yield seen
    for name in ("flipped", "first-column", "spy"):
        del attacks._items[name]


def half_width_99(row: SeedRow) -> float:
    """Of the AUC on null data: Mann–Whitney's exact null variance."""
    n1, n0 = row.members, row.candidates - row.members
    return NormalDist().inv_cdf(0.995) * ((n1 + n0 + 1) / (12 * n1 * n0)) ** 0.5


def test_model_that_never_saw_the_coins_shows_no_leakage(family: list[FinishedCell]) -> None:
    result, _ = attack_family("loss", {}, family, "f")
    assert [(r.seed, r.role) for r in result.rows] == [
        (s, role) for s in range(3) for role in ("attack", "null", "known")
    ]
    truth = result.summary["known"].truth
    assert truth is not None and truth.epsilon == 1.0 and 0.55 < truth.auc < 0.6
    for row in result.rows:
        expected = truth.auc if row.role == "known" else 0.5
        assert abs(row.auc.value - expected) < half_width_99(row)
        assert row.bound.guesses == 60 and row.candidates == 600 and row.references == 2
        assert row.bound.epsilon < 0.5 < row.bound.ceiling
        assert row.bound.epsilon <= 1.0  # the truth of the known mechanism
    assert set(result.summary) == {"attack", "null", "known"}
    for role, summary in result.summary.items():
        audit = result.audit(role)
        assert audit is not None and audit.attacks == RIVALS and audit.seeds == 3
        assert audit.one_run.epsilon < 1.0 < audit.one_run.ceiling
        assert (summary.truth is None) == (role != "known")
        expected = truth.auc if role == "known" else 0.5
        assert summary.auc.low < expected < summary.auc.high and summary.k == 3


def test_positive_control_leaks_and_its_null_row_does_not(control: list[FinishedCell]) -> None:
    result, _ = attack_family("loss", {}, control, "f")
    assert result.role == "control" and set(result.summary) == {"control", "null"}
    for row in result.rows:
        if row.role == "control":
            assert row.auc.value >= 0.9 and 1.0 < row.bound.epsilon <= row.bound.ceiling
        else:
            assert abs(row.auc.value - 0.5) < half_width_99(row) and row.bound.epsilon < 0.5
    assert result.summary["control"].auc.low > 0.9


def test_flipped_sign_is_found_on_the_control(
    control: list[FinishedCell], extra: list[View]
) -> None:
    right, _ = attack_family("loss", {}, control, "f")
    wrong, _ = attack_family("flipped", {}, control, "f")
    wrong_auc = wrong.summary["control"].auc
    assert wrong_auc.high < 0.5
    assert wrong_auc.value == pytest.approx(1 - right.summary["control"].auc.value)
    audit = wrong.audit("control")
    assert audit is not None and audit.one_run.epsilon == 0.0


def test_attack_on_one_column_misses_the_control(
    control: list[FinishedCell], extra: list[View]
) -> None:
    """An attack that reads one column misses what the control must show."""
    wrong, _ = attack_family("first-column", {}, control, "f")
    assert wrong.summary["control"].auc.value < 0.721  # what the correctness gap alone gives


def test_null_rows_are_the_same_scores_against_permuted_coins(family: list[FinishedCell]) -> None:
    first, _ = attack_family("loss", {}, family, "f")
    again, _ = attack_family("loss", {}, family[::-1], "f")
    assert first == again
    nulls = [r for r in first.rows if r.role == "null"]
    reals = [r for r in first.rows if r.role == "attack"]
    assert [r.members for r in nulls] == [r.members for r in reals]
    assert all(a.auc != b.auc for a, b in zip(nulls, reals))


def test_tpr_is_left_out_where_non_members_are_too_few(family: list[FinishedCell]) -> None:
    result, _ = attack_family("loss", {}, family, "f")
    for row in result.rows:
        rate = row.tpr_at_fpr["0.05"]
        assert row.tpr_at_fpr["0.01"] is None and rate is not None and 0 <= rate <= 1


def test_private_cell_is_audited_at_the_delta_of_its_budget(
    write_cell: WriteCell, untrained: Seeds
) -> None:
    cell = open_cell(write_cell(0, *untrained[0]))
    asked = replace(cell.record.cell, budget=Budget(1.0, 1e-6))
    changed = FinishedCell(cell.folder, replace(cell.record, cell=asked))
    result, _ = attack_family("loss", {}, [changed], "f")
    assert {(r.delta, r.delta_source) for r in result.rows} == {(1e-6, "budget")}


def test_non_private_cell_gets_the_default_delta_and_says_so(control: list[FinishedCell]) -> None:
    result, _ = attack_family("loss", {}, control, "f")
    assert {(r.delta, r.delta_source) for r in result.rows} == {
        (1e-5, "default_delta(n_public)")  # n_public = 3,000: 1/30,000, rounded down
    }


def test_target_sees_other_seeds_with_flags_not_its_own(
    family: list[FinishedCell], untrained: Seeds, extra: list[View]
) -> None:
    """Each target sees the other seeds with flags, and itself without."""
    attack_family("spy", {}, family, "f")
    whole, by_label = extra[:3], extra[3:]
    assert [[r.seed for r in view.references] for view in whole] == [[1, 2], [0, 2], [0, 1]]
    assert [view.logits.shape[1] for view in by_label] == [1] * 15  # again for each label
    for seed, view in enumerate(whole):
        assert np.array_equal(view.logits, untrained[seed][0])
        assert np.array_equal(view.labels, untrained[seed][1], equal_nan=True)
        assert view.population.logits.shape == (20, 5)
        for other in view.references:
            assert np.array_equal(other.member, untrained[other.seed][2])
            assert not np.array_equal(other.member, untrained[seed][2])


def test_id_changes_with_all_that_decides_the_result(
    family: list[FinishedCell], extra: list[View], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {attack_id("spy", {}, "f", family)}
    ids.add(attack_id("spy", {"power": 2.0}, "f", family))
    ids.add(attack_id("spy", {}, "g", family))
    ids.add(attack_id("spy", {}, "f", family[:2]))
    ids.add(attack_id("loss", {}, "f", family))
    anew = [FinishedCell(c.folder, replace(c.record, fingerprint="beef")) for c in family]
    ids.add(attack_id("spy", {}, "f", anew))
    monkeypatch.setattr(attacks.get("spy"), "version", 2)
    ids.add(attack_id("spy", {}, "f", family))
    assert len(ids) == 7
    assert attack_id("loss", {}, "f", family) == attack_id("loss", {}, "f", family[::-1])
    assert attack_id("loss", {}, "f", family).startswith("loss.toy.minilm.dp_lora.eps1.k3-")


def test_written_result_is_deterministic_scores_in_private(
    family: list[FinishedCell], tmp_path: Path
) -> None:
    """What is written is deterministic and keeps scores in private/."""
    texts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_result(tmp_path / name, *attack_family("loss", {}, family, "f"))
        files = sorted(p for p in (tmp_path / name).rglob("*") if p.is_file())
        assert [p.relative_to(tmp_path / name).as_posix() for p in files] == [
            "private/rows.parquet",
            "result.json",
        ]
        texts.append([p.read_bytes() for p in files])
    assert texts[0] == texts[1]
    found = read_result(tmp_path / "one")
    assert found == attack_family("loss", {}, family, "f")[0] and texts[0][1].endswith(b"}\n")
    assert (
        found.cells == tuple(sorted(c.record.cell_id for c in family))
        and found.kind == "membership"
    )
    rows = pq.read_table(tmp_path / "one" / "private" / "rows.parquet")
    assert rows.schema.names == ["slot", "seed", "score"] and rows.num_rows == 1800
    assert [str(t) for t in rows.schema.types] == ["int64", "int64", "double"]
    flags = pq.read_table(family[1].folder / "private" / "flags.parquet")
    ours = rows.filter(pa.compute.equal(rows["seed"], 1))
    assert ours["slot"].equals(flags["slot"])
    area = metrics.auc(ours["score"].to_numpy(), flags["member"].to_numpy())
    assert area == next(r.auc.value for r in found.rows if r.seed == 1)


def test_logits_that_are_not_finite_are_refused_by_count(
    write_cell: WriteCell, untrained: Seeds
) -> None:
    """A run whose logits are not finite is refused with the count."""
    logits, labels, member = untrained[0]
    broken = logits.copy()
    broken[:7] = np.nan
    cell = open_cell(write_cell(0, broken, labels, member))
    with pytest.raises(AttackError, match="attack 'loss': 7 of 600 scores are not finite"):
        attack_family("loss", {}, [cell], "f")


def per_patient(write_cell: WriteCell, seed: int, member: np.ndarray, shift: float) -> FinishedCell:
    """600 candidates of 120 patients of five reports; members' logits fit better by `shift`."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((600, 4)) < 0.3).astype(np.float32)
    logits = rng.standard_normal((600, 4)).astype(np.float32)
    logits += (shift * member[:, None] * (2 * labels - 1)).astype(np.float32)
    folder = write_cell(seed, logits, labels, member)
    path = folder / "private" / "candidates.parquet"
    table = pq.read_table(path)
    patients = pa.array([f"p{i // 5:03d}" for i in range(600)])
    pq.write_table(table.set_column(2, "patient", patients), path)
    found = open_cell(folder)
    asked = replace(
        found.record.cell,
        budget=Budget(1.0, 1e-5, "patient"),
        audit=AuditPolicy(unit="patient"),
        per_patient=16,
    )
    return FinishedCell(folder, replace(found.record, cell=asked))


def test_coins_per_patient_make_patients_the_candidates(write_cell: WriteCell) -> None:
    rng = np.random.default_rng(5)
    coins = [np.repeat(rng.random(120) < 0.5, 5) for _ in range(2)]
    cells = [per_patient(write_cell, s, coin, shift=0.5) for s, coin in enumerate(coins)]
    result, rows = attack_family("loss", {}, cells, "f")
    assert result.unit == "patient" and len(rows) == 2 * 600
    summary = result.summary["attack"]
    assert summary.candidates == 120
    assert result.subgroups is not None and result.subgroups.groups == ()
    assert result.subgroups.patients is None and len(result.subgroups.labels) == 4
    one_report, _ = attack_family("loss", {}, [open_cell(cell.folder) for cell in cells], "f")
    alone = one_report.summary["attack"].auc
    assert summary.auc.value > alone.value + 0.05  # five reports say more


def test_patient_who_is_a_member_in_part_is_refused(write_cell: WriteCell) -> None:
    member = np.repeat(np.arange(120) % 2 == 0, 5)
    member[0] = False
    with pytest.raises(AttackError, match="a member in part"):
        attack_family("loss", {}, [per_patient(write_cell, 0, member, 0.0)], "f")
