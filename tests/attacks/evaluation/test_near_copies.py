"""Near-copies are left out of the headline by a rule that sees no coin; the biased rule leaks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from radpriv.attacks.evaluation.candidates import merged
from radpriv.attacks.evaluation.near_copies import FEWEST, STRATA, clean
from radpriv.attacks.evaluation.summary import Scored, family_row
from radpriv.attacks.evaluation.summary import row as seed_row
from radpriv.attacks.inputs.cell_outputs import load, open_cell
from radpriv.attacks.run_family import attack_family
from radpriv.benchmark.datasets.audit_set.similarity import COPY
from radpriv.benchmark.store.attack_schema import Interval
from radpriv.errors import AttackError

WriteCell = Callable[..., Path]
Seeds = list[tuple[np.ndarray, np.ndarray, np.ndarray]]
Mask = NDArray[np.bool_]


def twinned(pairs: int, singles: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(twin, similarity): twin[i] is the other of a pair, or i itself for a single."""
    both = np.arange(2 * pairs).reshape(pairs, 2)[:, ::-1].reshape(-1)
    twin = np.concatenate([both, np.arange(2 * pairs, 2 * pairs + singles)])
    similarity = np.where(twin == np.arange(len(twin)), 0.1, 1.0).astype(np.float32)
    return twin, similarity


def kept_by_realised_membership(member: Mask, twin: NDArray[np.int64]) -> Mask:
    """The biased rule: a non-member is dropped if its near-copy is a member."""
    return member | ~(member[twin] & (twin != np.arange(len(twin))))


def auc(seed: Scored) -> Interval:
    """Of one model."""
    return seed_row(seed, "cell", 0, "attack", 0, "budget").auc


def test_lone_twin_of_the_biased_rule_is_a_member_for_certain() -> None:
    twin, similarity = twinned(1, 0)
    fates = []
    for coins in product([False, True], repeat=2):
        member = np.array(coins)
        kept = kept_by_realised_membership(member, twin)
        if kept.sum() == 1:
            assert member[kept].all()
        fates += list(member[kept])
        assert clean(similarity).tolist() == [False, False]  # whatever the coins
    assert np.mean(fates) == 2 / 3


def test_biased_rule_leaks_on_null_scores_and_ours_does_not() -> None:
    twin, similarity = twinned(300, 600)
    rng = np.random.default_rng(0)
    biased, ours, copies = [], [], []
    for _ in range(12):
        member = rng.random(1200) < 0.5
        # Null scores: a function of the texts alone, the same for members and for others.
        scores = similarity + 1e-3 * rng.standard_normal(1200)
        mask = kept_by_realised_membership(member, twin)
        biased.append(Scored(scores[mask], member[mask], 1e-5, np.zeros(mask.sum(), np.float32)))
        ours.append(Scored(scores, member, 1e-5, similarity))
        copies.append(ours[-1].only(similarity >= COPY))
    # Two thirds of the kept twins are members and half of the singles: AUC ½ + (½ − ⅓)/2.
    assert np.mean([auc(seed).value for seed in biased]) == pytest.approx(0.583, abs=0.02)
    assert sum(auc(seed).low > 0.5 for seed in biased) > 9
    assert sum(auc(seed).low > 0.5 for seed in ours) < 3
    found = family_row(ours)
    assert (found.candidates, found.left_out, found.audited) == (600, 600, 1200)
    assert found.auc.low < 0.5 < found.auc.high
    for part in found.by_similarity:
        assert part.auc is None or part.auc.low < 0.5 < part.auc.high
    assert [s.candidates for s in found.by_similarity] == [600, 0, 600]
    assert [s.auc is None for s in found.by_similarity] == [False, True, False]


def test_leakage_is_not_diluted_by_twins_of_members() -> None:
    """Leakage is not diluted by non-members whose twin was trained on."""
    twin, similarity = twinned(300, 600)
    rng = np.random.default_rng(1)
    seeds = []
    for _ in range(2):
        member = rng.random(1200) < 0.5
        seen = member | member[twin]
        seeds.append(Scored(seen + rng.standard_normal(1200), member, 1e-5, similarity))
    everything = [Scored(s.scores, s.member, 1e-5, np.zeros(1200, np.float32)) for s in seeds]
    found, diluted = family_row(seeds), family_row(everything)
    assert found.auc.value > diluted.auc.value + 0.03
    alone, copies = found.by_similarity[0].auc, found.by_similarity[2].auc
    assert alone is not None and copies is not None
    assert copies.value < alone.value - 0.05
    assert alone == found.auc
    assert found.audited == diluted.audited == 1200


def test_strata_share_out_all_similarities() -> None:
    similarity = np.linspace(0, 1, 101).astype(np.float32)
    held = np.array([s.holds(similarity) for s in STRATA])
    assert (held.sum(axis=0) == 1).all()
    np.testing.assert_array_equal(held[:2].any(axis=0), clean(similarity))
    assert clean(np.array([0.7, 0.69999, 1.0, 0.0], np.float32)).tolist() == [
        False, True, False, True,
    ]  # fmt: skip


def test_stratum_with_few_members_is_not_resolvable() -> None:
    rng = np.random.default_rng(2)
    scores, member = rng.standard_normal(400), np.arange(400) % 2 == 0
    for few, resolvable in ((2 * FEWEST, True), (2 * FEWEST - 1, False)):
        similarity = np.where(np.arange(400) < few, 0.6, 0.1).astype(np.float32)
        found = family_row([Scored(scores, member, 1e-5, similarity)]).by_similarity[1]
        assert (found.candidates, found.auc is not None) == (few, resolvable)
    assert found.similarity_from == 0.5 and found.similarity_below == COPY


def test_result_says_how_many_it_left_out(write_cell: WriteCell, untrained: Seeds) -> None:
    similarity = np.where(np.arange(600) % 4 == 0, 0.9, 0.2)
    cells = [
        open_cell(write_cell(s, *seed, similarity=similarity)) for s, seed in enumerate(untrained)
    ]
    result, rows = attack_family("loss", {}, cells, "f")
    assert result.version == 3 and result.counting == 7
    assert all(summary.canaries == () for summary in result.summary.values())
    assert len(rows) == 3 * 600
    for found in (*result.rows, *result.summary.values()):
        assert (found.candidates, found.left_out, found.audited) == (450, 150, 600)
    for row in result.rows:
        assert row.bound.guesses == 60  # of all 600
    for summary in result.summary.values():
        assert [s.candidates for s in summary.by_similarity] == [450, 0, 150]


def test_positive_control_leaks_without_its_near_copies(
    write_cell: WriteCell, overfitted: Seeds
) -> None:
    similarity = np.where(np.arange(400) % 5 == 0, 0.95, 0.3)
    cells = [
        open_cell(write_cell(s, *seed, similarity=similarity, role="control"))
        for s, seed in enumerate(overfitted)
    ]
    summary = attack_family("loss", {}, cells, "f")[0].summary
    assert summary["control"].auc.value >= 0.9 and summary["control"].left_out == 80
    assert abs(summary["null"].auc.value - 0.5) < 0.1


def test_audit_set_of_near_copies_says_why_it_is_refused(
    write_cell: WriteCell, untrained: Seeds
) -> None:
    """An audit set of near-copies alone says why it is not attacked."""
    cell = open_cell(write_cell(0, *untrained[0], similarity=np.ones(600)))
    with pytest.raises(AttackError, match="600 of 600 candidates have a near-copy in the data"):
        attack_family("loss", {}, [cell], "f")


@pytest.mark.parametrize("value", [np.nan, 1.5, -0.1])
def test_cell_without_similarities_is_refused(
    value: float, write_cell: WriteCell, untrained: Seeds
) -> None:
    similarity = np.where(np.arange(600) == 3, value, 0.2)
    cell = open_cell(write_cell(0, *untrained[0], similarity=similarity))
    with pytest.raises(AttackError, match=r"candidates\.parquet: the similarity .* \[0, 1\]"):
        load(cell)


def test_seeds_with_other_similarities_are_refused(write_cell: WriteCell, untrained: Seeds) -> None:
    cells = [
        open_cell(write_cell(s, *untrained[s], similarity=np.full(600, 0.1 + s / 10)))
        for s in range(2)
    ]
    with pytest.raises(AttackError, match="other similarities"):
        attack_family("loss", {}, cells, "f")


def test_patient_is_as_similar_as_its_reports_are_on_average(
    write_cell: WriteCell, untrained: Seeds
) -> None:
    logits, labels, _ = untrained[0]
    member = np.repeat(np.arange(300) % 2 == 0, 2)
    similarity = np.tile([1.0, 0.3, 1.0, 0.7], 150)
    folder = write_cell(0, logits, labels, member, similarity=similarity)
    path = folder / "private" / "candidates.parquet"
    table = pq.read_table(path)
    patients = [f"p{i // 2:03d}" for i in range(600)]
    pq.write_table(table.set_column(2, "patient", [patients]), path)
    likeness = merged(load(open_cell(folder)), np.zeros(600), np.arange(600)).similarity
    np.testing.assert_allclose(likeness, np.tile([0.65, 0.85], 150), rtol=1e-6)
    assert clean(likeness).tolist() == [True, False] * 150
