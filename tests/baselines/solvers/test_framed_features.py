"""One-shot heads: what they certify, learn and release, and how `auto` chooses one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from radpriv.baselines.dp_linear_probe import DPLinearProbe
from radpriv.baselines.solvers.framed_features import Frame, frame_of
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.features import evaluate
from radpriv.benchmark.methods.classifier import Pooled
from radpriv.benchmark.privacy.accounting import calibration
from radpriv.benchmark.privacy.bounded import ClippedSum, Declared
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run
from radpriv.errors import SuiteError

Fit = Callable[..., tuple[Any, Run, PrivateRecords, Universe]]
ONE_SHOT = ("least_squares", "output")


@pytest.mark.parametrize("unit", ["report", "patient"])
@pytest.mark.parametrize("epsilon", [0.01, 0.5, 8.0])
@pytest.mark.parametrize("solver", ONE_SHOT)
def test_one_query_costs_the_budget_and_no_more(
    solver: str, epsilon: float, unit: str, probe: Fit
) -> None:
    fitted, run, train, _ = probe(solver, epsilon, unit)
    names = [r.name for r in run.releases]
    assert names == (["gram", "moments"] if solver == "least_squares" else ["head"])
    assert {(r.step, r.rate) for r in run.releases} == {(0, 1.0)}
    assert 0.995 * epsilon <= run.certificate()[0] <= epsilon
    assert not train.left_waist and not run.disclosed
    assert np.isfinite(fitted.weight).all() and np.isfinite(fitted.bias).all()


def test_two_releases_at_the_noise_of_one_are_over_budget(
    probe: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two releases at the noise of one would be over the budget."""
    make, share = Run._release, {"gram": 0.2, "moments": 0.8}

    def unsplit(run: Run, place: Any, value: Any, sigma: float) -> Any:
        return make(run, place, value, sigma * math.sqrt(share[place.name]))

    monkeypatch.setattr(Run, "_release", unsplit)
    _, run, _, _ = probe("least_squares", 1.0)
    assert run.certificate()[0] > 1.3


@pytest.mark.parametrize("solver", ONE_SHOT)
def test_query_over_nobody_gives_a_finite_head(solver: str, probe: Fit) -> None:
    fitted, run, _, _ = probe(solver, gone=-1)
    assert np.isfinite(fitted.weight).all() and len(run.releases) > 0


def test_least_squares_learns_one_word_under_small_noise(
    probe: Fit, simple: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Least squares learns what one word tells where noise is small."""
    monkeypatch.setattr(calibration, "calibrate", lambda *_: 0.01)
    fitted, *_ = probe("least_squares")
    logits = fitted.logits(simple.texts)
    seen = ~np.isnan(simple.y[:, 0])
    assert ((logits[seen, 0] > 0) == (simple.y[seen, 0] > 0)).mean() > 0.9
    assert (logits[:, 1] < 0).mean() > 0.9


def test_output_perturbation_ranks_by_what_one_word_tells(
    probe: Fit, simple: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "calibrate", lambda *_: 0.01)
    fitted, *_ = probe("output")
    logits = fitted.logits(simple.texts)
    positive, negative = logits[simple.y[:, 0] == 1, 0], logits[simple.y[:, 0] == 0, 0]
    assert stats.mannwhitneyu(positive, negative).statistic / len(positive) / len(negative) > 0.95
    assert (logits[:, 1] < 0).mean() > 0.9


@pytest.mark.parametrize("solver", ONE_SHOT)
@pytest.mark.parametrize("unit", ["report", "patient"])
def test_released_value_moves_within_its_bound(
    solver: str, unit: str, probe: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is released moves within its bound when a member leaves.

    The exact values of a run and of its neighbour, taken where the noise would be added.
    """
    taken: list[Declared | ClippedSum] = []
    make = Run._release

    def take(run: Run, place: Any, value: Any, sigma: float) -> Any:
        taken.append(value)
        return make(run, place, value, sigma)

    monkeypatch.setattr(Run, "_release", take)
    for gone in (0, 7, 30):
        taken.clear()
        probe(solver, 8.0, unit)
        probe(solver, 8.0, unit, gone=gone)
        half = len(taken) // 2
        assert half == (2 if solver == "least_squares" else 1)
        for a, b in zip(taken[:half], taken[half:], strict=True):
            assert a.sensitivity == b.sensitivity
            squares = [(a.tensors[n] - b.tensors[n]).square().sum() for n in a.tensors]
            shift = math.sqrt(float(sum(squares)))
            assert 1e-3 * a.sensitivity < shift <= a.sensitivity * (1 + 1e-9)


def test_framed_record_has_norm_one_and_the_head_folds_back() -> None:
    """A framed record has norm one, and the head comes back to features."""
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
    from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES

    frame = frame_of(tiny_bert, 32)
    x = evaluate(Pooled(tiny_bert, 32), PUBLIC_SENTENCES).values - frame.center
    squares = np.square(x).sum(1).sum() / (len(x) - 1)
    assert frame.radius == pytest.approx(math.sqrt(squares)) and frame.size == 17


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


def test_auto_gives_what_the_solver_that_it_chose_gives(probe: Fit) -> None:
    auto, chosen = probe("auto", 0.5)[0], probe("least_squares", 0.5)[0]
    np.testing.assert_array_equal(auto.weight, chosen.weight)


def test_unknown_solver_is_refused() -> None:
    """An unknown solver is refused with those that there are."""
    with pytest.raises(SuiteError, match="least_squares"):
        DPLinearProbe(solver="newton")
