"""The same inputs through other libraries: `jax_privacy.auditing` and `dp_accounting`.

`jax-privacy` is heavy and no dependency: `tox -e oracles` installs it and runs this file; elsewhere
the tests that need it are skipped. Every comparison is made with a broken variant beside it.
"""

from __future__ import annotations

import math
from typing import Any

import dp_accounting
import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from scipy.stats import norm

from radpriv.attacks import metrics
from radpriv.attacks.epsilon import clopper_pearson, fdp, gdp, one_run
from radpriv.attacks.epsilon.clopper_pearson import GuessCounts
from radpriv.attacks.epsilon.ideal import SampledStep, loss

DELTA = 1e-5


@pytest.fixture(scope="module")
def auditing() -> Any:
    return pytest.importorskip(
        "jax_privacy.auditing", reason="jax-privacy is not installed: tox -e oracles"
    )


def scored(seed: int, m: int = 1000, shift: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    member = rng.random(m) < 0.5
    return rng.standard_normal(m) + shift * member, member


def auditor(auditing: Any, scores: np.ndarray, member: np.ndarray) -> Any:
    return auditing.CanaryScoreAuditor(scores[member], scores[~member])


@pytest.mark.parametrize("seed", range(6))
def test_one_run_figures_at_a_fixed_threshold(auditing: Any, seed: int) -> None:
    scores, member = scored(seed)
    threshold = 1.0 + 0.3 * seed
    ask = auditor(auditing, scores, member)
    said = scores >= threshold
    r, v = int(said.sum()), int((said & member).sum())
    fixed = {"threshold_strategy": auditing.Explicit(threshold)}
    theirs = ask.epsilon_one_run(0.05, DELTA, **fixed)
    assert theirs > 0.1
    assert one_run.epsilon_lower(1000, r, v, DELTA) == pytest.approx(theirs, abs=1e-5)
    assert one_run.epsilon_lower(1000, r, v, DELTA, 0.9) > theirs + 0.01  # α doubled: seen
    theirs = ask.epsilon_one_run_fdp(0.05, DELTA, **fixed)
    assert fdp.epsilon(1000, r, v, DELTA, True).epsilon == pytest.approx(theirs, abs=1e-5)
    assert fdp.epsilon(1000, r, v - 1, DELTA, True).epsilon < theirs - 0.01  # > for ≥: seen


@pytest.mark.parametrize(
    ("shift", "plain", "curve"),
    [(1, 1.13346, 2.16475), (2, 2.31194, 4.72181), (4, 4.39557, 9.13375)],
)
def test_reference_values_of_quantile_normal_scores(
    auditing: Any, shift: int, plain: float, curve: float
) -> None:
    """10,000 + 10,000 scores, the best of the thresholds of that library, Bonferroni over them."""
    n = 10_000
    out = norm.ppf((np.arange(n) + 0.5) / n)
    thresholds = auditing.CanaryScoreAuditor(out + shift, out)._thresholds
    each = 1 - 0.05 / len(thresholds)
    best, mu = {"plain": 0.0, "curve": 0.0}, 0.0
    for t in thresholds[:-1]:
        v, wrong = int((out + shift >= t).sum()), int((out >= t).sum())
        if v / (v + wrong) > 0.6:
            r = v + wrong
            if one_run.p_value(2 * n, r, v, best["plain"], 1e-6) <= 1 - each:
                best["plain"] = one_run.epsilon_lower(2 * n, r, v, 1e-6, each)
            if fdp.rejects(fdp.gaussian(mu), 2 * n, r, v, 1 - each):
                mu = fdp.mu_lower(2 * n, r, v, each)
    best["curve"] = gdp.epsilon_of(mu, 1e-6)
    assert best == pytest.approx({"plain": plain, "curve": curve}, abs=2e-5)
    assert best["curve"] < gdp.epsilon_of(shift, 1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_clopper_pearson_at_a_fixed_threshold_in_both_directions(auditing: Any, seed: int) -> None:
    scores, member = scored(seed, 600)
    threshold = (-0.5, 0.75, 1.5, 2.5)[seed]
    ask = auditor(auditing, scores, member)
    said = scores >= threshold
    counts = GuessCounts(
        int((said & member).sum()),
        int(member.sum()),
        int((said & ~member).sum()),
        int((~member).sum()),
    )
    theirs = ask.epsilon_clopper_pearson(
        0.05, DELTA, one_sided=False, threshold_strategy=auditing.Explicit(threshold)
    )
    assert theirs > 0.2
    assert clopper_pearson.epsilon_lower(counts, DELTA) == pytest.approx(theirs, abs=1e-9)
    assert clopper_pearson.epsilon_lower(counts, DELTA, 0.9) > theirs + 0.01


def test_auc_is_just_below_that_of_the_hull(auditing: Any) -> None:
    """The AUC lies just below theirs, which is of the curve's hull."""
    # Theirs is of the curve's hull where it is concave by its choice of thresholds.
    scores, member = scored(0)
    theirs = auditor(auditing, scores, member).attack_auroc()
    assert metrics.auc(scores, member) <= theirs < metrics.auc(scores, member) + 0.02


def test_gdp_figure_of_version_2_0_0_is_wrong_on_null_data(auditing: Any) -> None:
    """The GDP figure of jax-privacy 2.0.0 is wrong on null data, and ours is not."""
    from importlib.metadata import version

    from radpriv.attacks.epsilon.audit_report import gdp_estimate

    theirs = ours = 0
    for seed in range(40):
        scores, member = scored(seed, 400, shift=0.0)
        theirs += auditor(auditing, scores, member).epsilon_from_gdp(0.05, DELTA) > 0
        ours += gdp_estimate([scores], [member], DELTA) > 0
    assert ours <= 4
    if version("jax-privacy") == "2.0.0":
        assert theirs >= 36


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 4.0, 10.0])
@pytest.mark.parametrize("delta", [1e-6, 1e-3])
def test_calibrated_gaussian_mechanism(epsilon: float, delta: float) -> None:
    sigma = dp_accounting.get_sigma_gaussian(epsilon, delta)
    assert 1 / gdp.mu_of(epsilon, delta) == pytest.approx(sigma, rel=1e-6)
    textbook = math.sqrt(2 * math.log(1.25 / delta)) / epsilon
    assert abs(textbook / sigma - 1) > 0.01
    assert gdp.epsilon_of(1 / sigma, delta) == pytest.approx(epsilon, abs=1e-6)


@pytest.mark.parametrize(
    "step",
    [
        SampledStep(0.1, 0.64, 25),
        SampledStep(0.01, 1.0, 1000),
        SampledStep(0.3, 2.0, 40),
        SampledStep(1.0, 3.0, 9),
    ],
)
def test_ratio_of_all_steps_has_an_accountants_privacy_loss(step: SampledStep) -> None:
    """The ratio of all steps has the privacy loss of an accountant.

    δ(ε) of the distributions behind the ideal value, against a PLD of the same mechanism.
    """
    theirs = pld.from_gaussian_mechanism(
        step.noise,
        value_discretization_interval=1e-3,
        sampling_prob=step.rate,
    ).self_compose(step.times)
    seen, wrong = loss([step]), loss([SampledStep(step.rate, 0.97 * step.noise, step.times)])

    def delta_of(ratio: Any, epsilon: float) -> float:
        return float(
            max(
                np.maximum(ratio.member - math.exp(epsilon) * ratio.out, 0).sum(),
                np.maximum(ratio.out - math.exp(epsilon) * ratio.member, 0).sum(),
            )
        )

    for epsilon in (0.0, 0.5, 1.0, 2.0):
        want = theirs.get_delta_for_epsilon(epsilon)
        if want > 1e-6:
            assert delta_of(seen, epsilon) == pytest.approx(want, rel=0.02)
    assert delta_of(wrong, 0.5) > 1.02 * theirs.get_delta_for_epsilon(0.5)
