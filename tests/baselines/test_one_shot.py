"""One-shot heads: the algebra, the bounds that their noise stands on, and what they certify."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import minimize

from radpriv.baselines import least_squares, output_perturbation
from radpriv.baselines.dp_linear_probe import DPLinearProbe
from radpriv.baselines.least_squares import Statistics, symmetric, targets, triangle
from radpriv.baselines.one_shot import Frame, frame_of
from radpriv.baselines.output_perturbation import TOLERANCE, sensitivity
from radpriv.benchmark.cell import AuditPolicy, Budget
from radpriv.benchmark.classifier import Pooled
from radpriv.benchmark.datasets.audit import Universe, draw
from radpriv.benchmark.datasets.base import Card, Dataset
from radpriv.benchmark.encoders import Encoder
from radpriv.benchmark.features import FeatureCache, evaluate
from radpriv.benchmark.privacy import calibration
from radpriv.benchmark.privacy.bounded import ClippedSum, Declared
from radpriv.benchmark.privacy.ledger import Ledger
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run
from radpriv.errors import SuiteError

CARD = Card("made up", "none", "none", "open", "by construction")
ONE_SHOT = ("least_squares", "output")


@pytest.fixture(scope="module")
def simple() -> Dataset:
    """240 reports of 80 patients; one word tells the first label, the second is always negative."""
    rng = np.random.default_rng(0)
    there = rng.random(240) < 0.5
    words = np.array(["heart", "lungs", "are", "clear", "normal", "size", "study", "stable"])
    texts = [
        " ".join([*rng.choice(words, 4), *(["effusion"] * 3 if t else ["no", "small"])])
        for t in there
    ]
    y = np.stack([there, np.zeros(240)], 1).astype(np.float32)
    y[::7, 0] = np.nan
    ids = tuple(f"r{i:03d}" for i in range(240))
    patients = tuple(f"p{i // 3:03d}" for i in range(240))
    return Dataset("simple", ("a", "b"), CARD, ids, patients, ("train",) * 240, tuple(texts), y)


@pytest.fixture(scope="module")
def cache() -> FeatureCache:
    return FeatureCache(None)


Fit = Callable[..., tuple[Any, Run, PrivateRecords, Universe]]


@pytest.fixture
def fit(simple: Dataset, tiny_bert: Encoder, cache: FeatureCache, tmp_path: Path) -> Fit:
    """Fits a solver on the simple dataset: (fitted, run, train, universe).

    gone: the number of a member unit that is taken out; -1 for all.
    """
    ledgers = itertools.count()

    def fitted(
        solver: str, epsilon: float = 8.0, unit: str = "report", gone: int | None = None
    ) -> Any:
        universe = draw(simple, AuditPolicy(share=0.3, unit=unit), b"audit", 240, 0)
        if gone is not None:
            members = np.unique(universe.unit[universe.member])
            left = members[:0] if gone < 0 else np.delete(members, gone)
            universe = replace(universe, member=np.isin(universe.unit, left))
        train = PrivateRecords(universe, simple.labels, 240, cache)
        budget = Budget.of(epsilon, 240, None, unit)
        run = Run(
            budget=budget,
            n_public=240,
            labels=2,
            key=b"k" * 32,
            suite_key=b"suite",
            seed=0,
            ledger=Ledger(tmp_path / f"{next(ledgers)}.jsonl"),
            device=torch.device("cpu"),
            public=lambda name: simple,
            units=universe.units,
        )
        method = DPLinearProbe(solver=solver, max_length=32)
        return method.fit(train, tiny_bert, budget, run), run, train, universe

    return fitted


@pytest.mark.parametrize("unit", ["report", "patient"])
@pytest.mark.parametrize("epsilon", [0.01, 0.5, 8.0])
@pytest.mark.parametrize("solver", ONE_SHOT)
def test_one_query_costs_the_budget_and_no_more(
    solver: str, epsilon: float, unit: str, fit: Fit
) -> None:
    fitted, run, train, _ = fit(solver, epsilon, unit)
    names = [r.name for r in run.releases]
    assert names == (["gram", "moments"] if solver == "least_squares" else ["head"])
    assert {(r.step, r.rate) for r in run.releases} == {(0, 1.0)}
    assert 0.995 * epsilon <= run.certificate()[0] <= epsilon
    assert not train.left_waist and not run.disclosed
    assert np.isfinite(fitted.weight).all() and np.isfinite(fitted.bias).all()


def test_two_releases_at_the_noise_of_one_would_be_over_the_budget(
    fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, share = Run._release, {"gram": 0.2, "moments": 0.8}

    def unsplit(run: Run, place: Any, value: Any, sigma: float) -> Any:
        return make(run, place, value, sigma * math.sqrt(share[place.name]))

    monkeypatch.setattr(Run, "_release", unsplit)
    _, run, _, _ = fit("least_squares", 1.0)
    assert run.certificate()[0] > 1.3


@pytest.mark.parametrize("solver", ONE_SHOT)
def test_a_query_over_nobody_gives_a_finite_head(solver: str, fit: Fit) -> None:
    fitted, run, _, _ = fit(solver, gone=-1)
    assert np.isfinite(fitted.weight).all() and len(run.releases) > 0


def test_least_squares_learns_what_one_word_tells_where_noise_is_small(
    fit: Fit, simple: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "calibrate", lambda *_: 0.01)
    fitted, *_ = fit("least_squares")
    logits = fitted.logits(simple.texts)
    seen = ~np.isnan(simple.y[:, 0])
    assert ((logits[seen, 0] > 0) == (simple.y[seen, 0] > 0)).mean() > 0.9
    assert (logits[:, 1] < 0).mean() > 0.9


def test_output_perturbation_ranks_by_what_one_word_tells(
    fit: Fit, simple: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "calibrate", lambda *_: 0.01)
    fitted, *_ = fit("output")
    logits = fitted.logits(simple.texts)
    positive, negative = logits[simple.y[:, 0] == 1, 0], logits[simple.y[:, 0] == 0, 0]
    assert stats.mannwhitneyu(positive, negative).statistic / len(positive) / len(negative) > 0.95
    assert (logits[:, 1] < 0).mean() > 0.9


def test_the_released_sums_are_gram_and_moments_of_the_members(
    fit: Fit, tiny_bert: Encoder, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "calibrate", lambda *_: 1e-9)
    kept: list[Statistics] = []
    solve = least_squares.solve
    monkeypatch.setattr(
        least_squares, "solve", lambda found, n: (kept.append(found), solve(found, n))[1]
    )
    _, _, _, universe = fit("least_squares")
    frame = frame_of(tiny_bert, 32)
    gram, moments = np.zeros((17, 17)), np.zeros((17, 2))
    features = cache.map(Pooled(tiny_bert, 32), universe.texts)
    for i, y in enumerate(universe.y):
        if universe.member[i]:
            x = features[i].astype(np.float64) - frame.center
            z = np.append(x / np.linalg.norm(x) * math.sqrt(0.96), 0.2)
            t = np.array([0.0 if v != v else v - 0.15 for v in y])
            t /= max(1.0, np.linalg.norm(t))
            gram += np.outer(z, z)
            moments += np.outer(z, t)
    np.testing.assert_allclose(kept[0].gram, gram, atol=1e-5)
    np.testing.assert_allclose(kept[0].moments, moments, atol=1e-5)


def test_a_framed_record_has_norm_one_and_the_head_comes_back_to_features() -> None:
    rng = np.random.default_rng(0)
    frame = Frame(rng.normal(size=6), 2.5)
    x = rng.normal(size=(40, 6)) * rng.choice([1e-3, 1.0, 1e6], (40, 1))
    z = frame.inputs(torch.from_numpy(x))
    assert z.shape == (40, 7) and z.dtype == torch.float64
    np.testing.assert_allclose(z.norm(dim=1).numpy(), 1.0)
    assert not torch.isfinite(frame.inputs(torch.tensor([[math.nan] * 6]))[0, :6]).any()
    direction = rng.normal(size=(40, 6))
    there = frame.center + 2.5 * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    head, cut = rng.normal(size=(7, 3)), rng.normal(size=3)
    weight, bias = frame.fold(head, cut)
    expected = frame.inputs(torch.from_numpy(there)).numpy() @ head - cut
    np.testing.assert_allclose(there @ weight + bias, expected, atol=1e-12)


def test_public_sentences_lie_at_the_frame_s_radius(tiny_bert: Encoder) -> None:
    from radpriv.benchmark.public import PUBLIC_SENTENCES

    frame = frame_of(tiny_bert, 32)
    x = evaluate(Pooled(tiny_bert, 32), PUBLIC_SENTENCES).values - frame.center
    squares = np.square(x).sum(1).sum() / (len(x) - 1)
    assert frame.radius == pytest.approx(math.sqrt(squares)) and frame.size == 17


def test_the_triangle_of_a_gram_matrix_keeps_its_norm_and_gives_it_back() -> None:
    z = torch.randn(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    flat = triangle(z)
    np.testing.assert_allclose(flat.norm(dim=1), z.square().sum(1))
    np.testing.assert_allclose(symmetric(flat.sum(0).numpy(), 7), (z.T @ z).numpy(), atol=1e-12)


def test_gram_noise_has_the_deviations_that_the_solver_is_told() -> None:
    rng = np.random.default_rng(0)
    noise = np.stack([symmetric(rng.normal(size=15), 5) for _ in range(4000)])
    np.testing.assert_array_equal(noise, noise.transpose(0, 2, 1))
    assert noise[:, range(5), range(5)].std() == pytest.approx(1.0, rel=0.03)
    assert noise[:, 0, 1:].std() == pytest.approx(math.sqrt(0.5), rel=0.03)


def test_targets_have_norm_at_most_one_and_nothing_of_what_was_not_observed() -> None:
    y = torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0], [math.nan, 1, math.nan, 0]])
    t = targets(y)
    np.testing.assert_allclose(t.norm(dim=1), [1.0, 0.3, math.hypot(0.85, 0.15)])
    assert t[2, 0] == t[2, 2] == 0.0 and (t[0] > 0).all()


def test_least_squares_without_noise_is_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 6))
    z[:, -1] = 0.2
    t = rng.normal(size=(300, 2))
    head, _ = least_squares.solve(Statistics(z.T @ z, z.T @ t, 0.0, 0.0), 300)
    ridge = least_squares.FLOOR * 300 / 6
    w = minimize(
        lambda v: np.square(z @ v.reshape(6, 2) - t).sum() + ridge * np.square(v).sum(),
        np.zeros(12),
        tol=1e-12,
    ).x
    np.testing.assert_allclose(head, w.reshape(6, 2), atol=1e-5)


def test_drowned_scores_call_everything_positive_and_clear_ones_follow_the_rate() -> None:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(2000, 20))
    frame = Frame(np.zeros(20), 1.0)
    z = frame.inputs(torch.from_numpy(directions)).numpy()
    y = (directions[:, :1] > 0.85).astype(np.float64)
    t = y - least_squares.RATE
    for noise, low, high in ((0.5, 0.1, 0.3), (3000.0, 0.97, 1.0)):
        gram = z.T @ z + symmetric(rng.normal(size=231), 21) * noise
        found = Statistics(gram, z.T @ t + rng.normal(size=(21, 1)) * noise, noise, noise)
        head, cut = least_squares.solve(found, 2000)
        assert low <= ((z @ head - cut) > 0).mean() <= high


def problem(rng: np.random.Generator, n: int, labels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors of few directions, so that the curvature is uneven; labels with gaps."""
    z = rng.normal(size=(n, 8)) * np.array([5, 2, 1, 1, 0.3, 0.1, 0.01, 0.0])
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    y = rng.choice([0.0, 1.0, 1.0, np.nan], (n, labels)).astype(np.float32)
    return torch.from_numpy(z), torch.from_numpy(y)


def objective(w: np.ndarray, z: Any, y: Any, owners: np.ndarray, l2: float, n: int) -> float:
    """J, written record by record."""
    w = w.reshape(z.shape[1], -1)
    total = l2 / 2 * np.square(w).sum()
    for i in range(len(z)):
        k = int((owners == owners[i]).sum())
        for label in range(y.shape[1]):
            if not math.isnan(y[i, label]):
                margin = float(z[i] @ w[:, label]) * (1 if y[i, label] > 0.5 else -1)
                total += math.log1p(math.exp(-margin)) / (k * y.shape[1] * n)
    return float(total)


@pytest.mark.parametrize("l2", [1e-3, 0.1])
def test_the_solver_stops_within_its_tolerance_of_the_minimiser(l2: float) -> None:
    z, y = problem(np.random.default_rng(0), 14, 2)
    owners = np.array([0, 0, 0, 1, 1, *range(2, 11)])
    w = output_perturbation.solve(z, y, owners, l2, 12).numpy()
    best = minimize(
        objective, w.ravel(), (z.numpy(), y.numpy(), owners, l2, 12), "BFGS", tol=1e-9
    ).x
    reach = TOLERANCE / (math.sqrt(2) * 12 * l2)
    assert np.linalg.norm(w.ravel() - best) <= reach * 1.02
    assert np.linalg.norm(best) > 50 * reach


def moved(rows: Any, gone: np.ndarray, l2: float, n: int, merge: bool = True) -> float:
    """How far the answer moves when the rows `gone` leave. merge: what belongs to one unit does."""
    z, y, owners = rows
    owners = owners if merge else np.arange(len(owners))
    a = output_perturbation.solve(z, y, owners, l2, n)
    b = output_perturbation.solve(z[~gone], y[~gone], owners[~gone], l2, n)
    return float((a - b).norm())


def worst_pair(labels: int) -> tuple[Any, np.ndarray, float, int]:
    """Many agree, each in a direction of its own; one lies between all and disagrees.

    (rows, the one, λ, n_public): along the odd one's direction there is hardly a curvature but λ,
    and it is as wrong as can be, so that it moves the answer by most of the bound.
    """
    n = 64
    z = torch.cat([torch.eye(n), torch.full((1, n), 1 / math.sqrt(n))]).double()
    y = torch.ones(n + 1, labels)
    y[-1] = 0.0
    gone = np.zeros(n + 1, bool)
    gone[-1] = True
    return (z, y, np.arange(n + 1)), gone, 1.0 / (labels * n), n


@pytest.mark.parametrize("labels", [1, 3])
def test_no_neighbour_moves_the_answer_by_more_than_the_declared_bound(labels: int) -> None:
    rng = np.random.default_rng(labels)
    for trial in range(30):
        z, y = problem(rng, 20, labels)
        owners = np.sort(rng.integers(0, 9, 20))
        gone = owners == owners[rng.integers(20)]
        l2 = float(rng.choice([1e-2, 0.1, 1.0]))
        n = int(rng.choice([3, 9, 200]))
        assert moved((z, y, owners), gone, l2, n) <= sensitivity(labels, l2, n), trial
    rows, gone, l2, n = worst_pair(labels)
    assert moved(rows, gone, l2, n) <= sensitivity(labels, l2, n)


@pytest.mark.parametrize("labels", [1, 3])
def test_a_wrong_bound_is_found_out_by_neighbours(labels: int) -> None:
    rows, gone, l2, n = worst_pair(labels)
    seen, right = moved(rows, gone, l2, n), sensitivity(labels, l2, n)
    assert seen > right / 2, "a bound half as large would pass"
    assert seen < right * n / 8, "a bound without n would be called tight"
    assert seen > right / math.sqrt(2), "a bound for another number of labels would pass"


def test_a_patient_s_reports_count_as_one_and_would_break_the_bound_if_they_did_not() -> None:
    (z, y, owners), gone, l2, n = worst_pair(2)
    many = [np.arange(n), np.full(12, n)]
    rows = (z[np.concatenate(many)], y[np.concatenate(many)], owners[np.concatenate(many)])
    gone = np.concatenate(many) == n
    bound = sensitivity(2, l2, n)
    assert bound / 2 < moved(rows, gone, l2, n) <= bound
    assert moved(rows, gone, l2, n, merge=False) > bound


def test_a_record_that_is_not_finite_is_absent_and_a_long_one_is_cut() -> None:
    z, y = problem(np.random.default_rng(5), 9, 2)
    owners = np.arange(9)
    long = z.clone()
    long[3] *= 1e9
    solved = output_perturbation.solve(long, y, owners, 0.1, 9)
    np.testing.assert_allclose(solved, output_perturbation.solve(z, y, owners, 0.1, 9), atol=1e-9)
    bad = z.clone()
    bad[4, 0], bad[5, 0] = math.nan, math.inf
    left = np.array([0, 1, 2, 3, 6, 7, 8])
    np.testing.assert_allclose(
        output_perturbation.solve(bad, y, owners, 0.1, 9),
        output_perturbation.solve(z[left], y[left], owners[left], 0.1, 9),
        atol=2 * TOLERANCE / (math.sqrt(2) * 9 * 0.1),
    )


def test_a_label_out_of_range_weighs_no_more_than_one_within() -> None:
    z, y = problem(np.random.default_rng(6), 9, 2)
    far = y.clone()
    far[y == 1], far[y == 0] = 1e6, -1e6
    np.testing.assert_array_equal(
        output_perturbation.solve(z, far, np.arange(9), 0.1, 9),
        output_perturbation.solve(z, y, np.arange(9), 0.1, 9),
    )


def test_the_release_declares_the_bound_that_was_proved(fit: Fit) -> None:
    _, run, _, _ = fit("output")
    declared = run.declared[0]
    bound = (1 + 2e-3) / (math.sqrt(2) * 240 * output_perturbation.L2)
    assert declared["sensitivity"] == pytest.approx(bound, rel=1e-12)
    assert "Corollary 8" in str(declared["source"])
    assert run.releases[0].sensitivity == declared["sensitivity"]


@pytest.mark.parametrize("solver", ONE_SHOT)
@pytest.mark.parametrize("unit", ["report", "patient"])
def test_what_is_released_moves_within_its_bound_when_a_member_leaves(
    solver: str, unit: str, fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exact values of a run and of its neighbour, taken where the noise would be added."""
    taken: list[Declared | ClippedSum] = []
    make = Run._release

    def take(run: Run, place: Any, value: Any, sigma: float) -> Any:
        taken.append(value)
        return make(run, place, value, sigma)

    monkeypatch.setattr(Run, "_release", take)
    for gone in (0, 7, 30):
        taken.clear()
        fit(solver, 8.0, unit)
        fit(solver, 8.0, unit, gone=gone)
        half = len(taken) // 2
        assert half == (2 if solver == "least_squares" else 1)
        for a, b in zip(taken[:half], taken[half:], strict=True):
            assert a.sensitivity == b.sensitivity
            squares = [(a.tensors[n] - b.tensors[n]).square().sum() for n in a.tensors]
            shift = math.sqrt(float(sum(squares)))
            assert 1e-3 * a.sensitivity < shift <= a.sensitivity * (1 + 1e-9)


def budget(epsilon: float, n: int = 2400) -> Budget:
    return Budget.of(epsilon, n)


def test_auto_is_a_public_rule_of_signal_over_noise() -> None:
    auto = DPLinearProbe()
    few = {e: auto.chosen(budget(e), 2400, 384, 14) for e in (0.01, 0.3, 1.0, 3.0, 10.0)}
    assert few == {**dict.fromkeys((0.01, 0.3, 1.0, 3.0), "least_squares"), 10.0: "sgd"}
    assert auto.chosen(budget(0.5, 10**6), 10**6, 384, 14) == "sgd"
    assert auto.chosen(Budget(math.inf, 0.0), 2400, 384, 14) == "sgd"
    for solver in ("sgd", *ONE_SHOT):
        assert DPLinearProbe(solver=solver).chosen(budget(0.1), 2400, 384, 14) == solver


def test_auto_gives_what_the_solver_that_it_chose_gives(fit: Fit) -> None:
    auto, chosen = fit("auto", 0.5)[0], fit("least_squares", 0.5)[0]
    np.testing.assert_array_equal(auto.weight, chosen.weight)


def test_a_solver_that_is_none_is_refused() -> None:
    with pytest.raises(SuiteError, match="least_squares"):
        DPLinearProbe(solver="newton")
