"""Noise for an ε: never above the budget, never wasteful, against known values and closed forms."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import time

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from radpriv.benchmark.privacy.accounting import calibration, pld
from radpriv.benchmark.privacy.accounting.calibration import (
    calibrate,
    certificate,
    certify,
    discretization,
    fitted,
    search,
)
from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.errors import PrivacyError

Q = 512 / 20_000


GRID = list(
    itertools.product(
        [0.001, 0.01, 0.1, 1.0, 10.0, 100.0],
        [1e-4, Q, 0.2, 1.0],
        [1, 60, 390, 10_000],
        [1e-5, 1e-6],
    )
)


def waste(epsilon: float, rate: float, steps: int, delta: float) -> tuple[float, float]:
    """(certificate, ε on a grid four times as fine) of the calibrated noise, both over ε."""
    group = (Group(rate, calibrate(epsilon, delta, rate, steps), steps),)
    spent, interval = certificate(group, delta, epsilon)
    fine = max(interval / 4, 1.001 * pld.widest(group, delta) / pld.POINTS)
    return spent / epsilon, certify(group, delta, fine) / epsilon


@pytest.mark.parametrize(
    ("epsilon", "rate", "steps", "delta"), [c for c in GRID[::5] if c[1] != 1e-4 or c[0] >= 1]
)
def test_noise_keeps_the_budget_and_wastes_half_a_percent(
    epsilon: float, rate: float, steps: int, delta: float
) -> None:
    """Noise keeps the budget and wastes half a percent at most."""
    certified, finer = waste(epsilon, rate, steps, delta)
    assert certified <= 1 and finer >= 0.995


@pytest.mark.slow
@pytest.mark.parametrize(("epsilon", "rate", "steps", "delta"), GRID)
def test_noise_keeps_the_budget_everywhere(
    epsilon: float, rate: float, steps: int, delta: float
) -> None:
    certified, finer = waste(epsilon, rate, steps, delta)
    assert certified <= 1 and finer >= 0.995


def test_a_grid_that_ignores_steps_or_epsilon_would_waste_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for fixed in (lambda e, d, n: e / 50, lambda e, d, n: 1e-3):
        monkeypatch.setattr(calibration, "discretization", fixed)
        calibrate.cache_clear()
        assert waste(0.01, Q, 10_000, 1e-5)[1] < 0.995
    calibrate.cache_clear()


def test_rounding_losses_to_nearest_would_certify_too_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Losses rounded to nearest would certify less than is spent.

    Unsampled closed form as the truth; the broken variant halves what lies beyond a cut.
    """
    from dp_accounting.pld import privacy_loss_distribution as library

    exact = gaussian_epsilon(1.0, 1, 1e-5)
    assert certify((Group(1.0, 1.0, 1),), 1e-5, 0.05) >= exact
    pessimistic = library.from_gaussian_mechanism
    monkeypatch.setattr(
        library,
        "from_gaussian_mechanism",
        lambda s, **k: pessimistic(s, **k, pessimistic_estimate=False, use_connect_dots=False),
    )
    assert certify((Group(1.0, 1.0, 1),), 1e-5, 0.0501) < exact


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1.0, 8.0, 10.0])
@pytest.mark.parametrize(("rate", "steps"), [(Q, 390), (0.2, 150), (1.0, 60)])
def test_certificate_meets_the_budget_and_wastes_little(
    epsilon: float, rate: float, steps: int
) -> None:
    """The certificate meets the budget and wastes at most half a percent."""
    sigma = calibrate(epsilon, 1e-5, rate, steps)
    spent, _ = certificate((Group(rate, sigma, steps),), 1e-5, epsilon)
    assert 0.995 * epsilon <= spent <= epsilon


@pytest.mark.parametrize(
    ("epsilon", "sigma", "tolerance"), [(1.0, 2.08, 0.02), (0.1, 15.6, 0.1), (0.01, 123.3, 0.3)]
)
def test_noise_multipliers_are_those_of_a_fine_pld(
    epsilon: float, sigma: float, tolerance: float
) -> None:
    assert calibrate(epsilon, 1e-5, Q, 390) == pytest.approx(sigma, abs=tolerance)


def gaussian_epsilon(sigma: float, steps: int, delta: float) -> float:
    """Unsampled Gaussians (Balle & Wang 2018, Theorem 8): as one with sigma / sqrt(steps)."""
    s = sigma / math.sqrt(steps)

    def excess(e: float) -> float:
        upper = norm.cdf(0.5 / s - e * s)
        return float(upper - math.exp(e) * norm.cdf(-0.5 / s - e * s) - delta)

    return float(brentq(excess, 0, 200))


@pytest.mark.parametrize(("sigma", "steps"), [(10.0, 10), (5.0, 1), (30.0, 60)])
def test_without_sampling_the_certificate_is_the_closed_form(sigma: float, steps: int) -> None:
    exact = gaussian_epsilon(sigma, steps, 1e-5)
    spent, _ = certificate((Group(1.0, sigma, steps),), 1e-5, exact)
    assert exact <= spent * (1 + 1e-9)
    assert spent <= exact * 1.005
    if (sigma, steps) == (10.0, 10):
        assert spent == pytest.approx(1.1994, abs=0.002)


def test_one_step_fewer_than_run_would_be_found() -> None:
    sigma = calibrate(1.0, 1e-5, 0.2, 150)
    assert certificate((Group(0.2, sigma, 151),), 1e-5, 1.0)[0] > 1.0


def test_more_steps_than_calibrated_cost_what_they_cost() -> None:
    assert certify((Group(Q, 0.72, 390),), 1e-5) == pytest.approx(7.01, abs=0.03)
    assert certify((Group(Q, 0.72, 468),), 1e-5) == pytest.approx(7.59, abs=0.03)


def test_the_grid_follows_epsilon() -> None:
    assert discretization(0.01, 1e-5, 390) == pytest.approx(discretization(1, 1e-5, 390) / 100, 0.2)
    assert discretization(1, 1e-5, 400) == pytest.approx(discretization(1, 1e-5, 100) / 2)
    assert discretization(100, 1e-5, 390) < 60 * discretization(1, 1e-5, 390)
    coarse = certify((Group(Q, 123.25, 390),), 1e-5, 1e-4)
    fine = certificate((Group(Q, 123.25, 390),), 1e-5, 0.01)[0]
    assert coarse == pytest.approx(0.010223, abs=2e-6)
    assert fine == pytest.approx(0.010008, abs=2e-6)
    assert fine < 1.001 * certify((Group(Q, 123.25, 390),), 1e-5, 1e-6)


def test_infinite_epsilon_needs_no_noise_and_nonsense_is_refused() -> None:
    assert calibrate(math.inf, 1e-5, 0.2, 10) == 0.0
    assert certify((), 1e-5) == 0.0
    for bad in (
        (0.0, 0.2, 10),
        (-1.0, 0.2, 10),
        (math.nan, 0.2, 10),
        (1.0, 0.0, 10),
        (1.0, 0.2, 0),
    ):
        with pytest.raises(PrivacyError):
            calibrate(bad[0], 1e-5, bad[1], int(bad[2]))


@pytest.mark.parametrize(("sigma", "steps"), [(0.72, 390), (1.0, 100), (123.25, 390)])
def test_bounded_engine_says_what_the_librarys_accountant_says(sigma: float, steps: int) -> None:
    """The bounded engine says what the library's accountant says."""
    from dp_accounting import dp_event
    from dp_accounting.pld import PLDAccountant
    from dp_accounting.privacy_accountant import NeighboringRelation

    spent, interval = certificate((Group(Q, sigma, steps), Group(1.0, 200.0, 3)), 1e-5, 1.0)
    library = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE, interval)
    sampled = dp_event.PoissonSampledDpEvent(Q, dp_event.GaussianDpEvent(sigma))
    library.compose(dp_event.SelfComposedDpEvent(sampled, steps))
    library.compose(dp_event.SelfComposedDpEvent(dp_event.GaussianDpEvent(200.0), 3))
    assert spent == pytest.approx(library.get_epsilon(1e-5), rel=1e-3)


@pytest.mark.parametrize(
    ("group", "delta", "reason"),
    [
        (Group(250 / 750_000, 4.0, 10_000), 1.1e-18, "RDP bounds epsilon by 0.1486"),
        (Group(1e-6, 5.0, 10**9), 1e-6, "RDP bounds epsilon by 0.0233"),
        (Group(1e-12, 1e9, 10**18), 1e-6, "no answer"),
        (Group(0.5, 1e-5, 10), 1e-5, "too many for a grid|loss grid of"),
        (Group(0.5, 1e-200, 10), 1e-5, "noise multiplier 1e-200"),
        (Group(0.5, 1e300, 10), 1e-5, r"noise multiplier 1e\+300"),
        (Group(1.5, 1.0, 10), 1e-5, "rate 1.5"),
        (Group(0.5, 1.0, 0), 1e-5, "steps 0"),
        (Group(0.5, math.nan, 1), 1e-5, "noise multiplier nan"),
        (Group(0.5, -1.0, 1), 1e-5, "no sampled Gaussian: rate 0.5, noise multiplier -1"),
        (Group(0.5, 1.0, 1), 1.5, "delta 1.5"),
    ],
)
def test_an_absurd_ledger_is_refused_at_once_in_one_line(
    group: Group, delta: float, reason: str
) -> None:
    began = time.monotonic()
    with pytest.raises(PrivacyError, match=reason) as refusal:
        certify((group,), delta, 1e-6)
    assert "\n" not in str(refusal.value)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("near", [1e-3, 1.0, 1e3])
def test_a_wrong_expectation_costs_time_and_no_answer(near: float) -> None:
    """On the grid that 1e-3 asks for, this ledger is refused."""
    ledger = (Group(0.08, 10.8, 988), Group(0.013, 51.5, 734))
    assert certificate(ledger, 7.6e-6, near)[0] == pytest.approx(0.83, abs=0.1)
    spent = [certificate(ledger, 7.6e-6, n)[0] for n in (near, 0.8)]
    assert spent[0] == pytest.approx(spent[1], rel=0.005)
    with pytest.raises(PrivacyError, match="grid"):
        certify(ledger, 7.6e-6, discretization(1e-3, 7.6e-6, 1722))


def test_a_ledger_of_many_kinds_of_step_ends_at_its_limit() -> None:
    groups = [Group(0.01, 1 + i / 1000, 1) for i in range(500)]
    began = time.monotonic()
    with pytest.raises(PrivacyError, match="500 different kinds of step"):
        pld.epsilon(groups, 1e-5, 1e-4, seconds=0.3)
    assert time.monotonic() - began < 5


MEASURE = """
import pathlib, resource, sys
from radpriv.benchmark.privacy.accounting.calibration import Group, certificate
import dp_accounting.pld.privacy_loss_distribution
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
before = resource.getrusage(resource.RUSAGE_SELF)
certificate((Group({0}, {1}, {2}),), 1e-5, {3})
after = resource.getrusage(resource.RUSAGE_SELF)
peak = after.ru_maxrss  # on Linux it counts the process that started this one, before its exec
status = pathlib.Path("/proc/self/status")
if status.exists():
    peak = int(status.read_text().split("VmHWM:")[1].split()[0])
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak / 1024)
"""


@pytest.mark.parametrize(
    "case", [(Q, 123.4, 390, 0.01), (1e-4, 0.6995, 10_000, 0.1), (1e-4, 0.6581, 1, 0.001)]
)
def test_certificate_takes_under_two_seconds_and_500_megabytes(
    case: tuple[float, float, int, float],
) -> None:
    """A certificate takes less than two seconds and 500 megabytes."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.format(*case)], capture_output=True, text=True, check=True
    )
    seconds, megabytes = map(float, done.stdout.split())
    assert seconds < 2 and megabytes < 500, (seconds, megabytes)


def test_a_grid_is_fitted_from_one_where_nothing_is_known() -> None:
    group = (Group(0.1, 1.0, 10),)
    asked: list[float] = []

    def spent(interval: float) -> float:
        asked.append(interval)
        return 1.0

    for near in (0.0, math.inf, math.nan, 1.0):
        fitted(spent, group, 1e-5, near)
    assert len(set(asked)) == 1 and asked[0] >= discretization(1.0, 1e-5, pld.depth(group))


def test_a_grid_that_never_fits_is_given_up_after_six_turns() -> None:
    values = [4.0**n for n in range(1, 20)]
    asked: list[float] = []

    def spent(interval: float) -> float:
        asked.append(interval)
        return values[len(asked) - 1]

    assert fitted(spent, (Group(0.1, 1.0, 10),), 1e-5, 1.0)[0] == 4.0**6 and len(asked) == 6


def test_a_first_guess_within_the_tolerance_is_the_answer() -> None:
    asked: list[float] = []

    def spent(sigma: float) -> float:
        asked.append(sigma)
        return 0.999

    assert search(spent, 1.0, 2.0, 1.05, 0.002) == 2.0 and asked == [2.0]


def test_a_search_that_does_not_converge_says_so() -> None:
    with pytest.raises(PrivacyError, match="does not converge"):
        search(lambda sigma: 0.5 if sigma >= 2 else 2.0, 1.0, 3.0, 1.05, 0.002)


@pytest.mark.parametrize("delta", [1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("epsilon", [1e-12, 1e-9, 1e-6, 1e-4])
def test_tiny_epsilons_get_the_noise_that_delta_leaves(epsilon: float, delta: float) -> None:
    """Against the Gaussian's closed form: at least its noise, and 0.2% more at most."""

    def closed(mu: float) -> float:
        return norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(
            -mu / 2 - epsilon / mu
        )

    mu = brentq(lambda m: closed(m) - delta, 1e-12, 50, xtol=1e-18, rtol=1e-13)
    least = math.sqrt(60) / mu
    assert 1 <= calibrate(epsilon, delta, 1.0, 60) / least < 1.002


def test_tiny_epsilons_of_sampled_steps_take_few_evaluations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The grid follows δ where ε is far below it: before, each evaluation took minutes."""
    intervals: list[float] = []
    real = pld.epsilon

    def counted(groups: tuple[Group, ...], delta: float, interval: float) -> float:
        intervals.append(interval)
        return real(groups, delta, interval)

    monkeypatch.setattr(pld, "epsilon", counted)
    certify.cache_clear()
    calibrate.cache_clear()
    sigma = calibrate(1e-9, 1e-3, 0.2, 100)
    assert certificate((Group(0.2, sigma, 100),), 1e-3, 1e-9)[0] <= 1e-9
    assert len(intervals) < 150 and min(intervals) > 1e-6


@pytest.mark.parametrize(("epsilon", "delta"), [(1e-9, 1e-10), (1e-12, 1e-11)])
def test_noise_that_no_search_reaches_is_refused_at_once(epsilon: float, delta: float) -> None:
    with pytest.raises(PrivacyError, match=r"noise multiplier of 1e\+09 is too little"):
        calibrate(epsilon, delta, 1.0, 60)


@pytest.mark.parametrize("edge", [1e-6, 1e12])
def test_noise_is_computed_with_up_to_its_edges_and_not_beyond(edge: float) -> None:
    calibration.check([Group(0.5, edge, 1)], 1e-5)
    beyond = edge * (0.99 if edge < 1 else 1.01)
    with pytest.raises(PrivacyError, match="outside 1e-06 to 1e\\+12"):
        calibration.check([Group(0.5, beyond, 1)], 1e-5)


def test_rdp_is_asked_once_where_pld_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search meets the same ledger many times, and RDP at many orders takes its time."""
    asked: list[float] = []

    def no_answer(*_: object) -> float:
        raise pld.NoAnswer("too large")

    monkeypatch.setattr(calibration.pld, "epsilon", no_answer)
    monkeypatch.setattr(calibration, "rdp", lambda groups, delta: asked.append(delta) or 1.5)
    groups = (Group(0.123, 4.56, 7),)
    for _ in range(3):
        with pytest.raises(pld.NoAnswer, match=r"RDP bounds epsilon by 1\.5"):
            calibration.certify(groups, 3e-6)
    assert asked == [3e-6]


def test_a_search_for_noise_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 1000, 25))
    monkeypatch.setattr(calibration.time, "monotonic", lambda: next(now))
    calibrate.cache_clear()
    with pytest.raises(pld.NoAnswer, match="77 steps: none was found in 60 s; take fewer steps"):
        calibrate(1.0, 1e-5, 0.07, 77)
    monkeypatch.undo()
    assert calibrate(1.0, 1e-5, 0.07, 77) > 0.5


def test_accountant_named_for_a_guess_is_not_named_for_a_search() -> None:
    """What another accountant says of a guess is not said of a search."""
    with pytest.raises(pld.NoAnswer) as told:
        calibrate(100.0, 1e-12, 0.5, 1)
    assert "no noise multiplier for epsilon 100, delta 1e-12" in str(told.value)
    assert "more than a thousandth of delta" in str(told.value) and "RDP" not in str(told.value)
    with pytest.raises(pld.NoAnswer, match="; RDP bounds epsilon by"):
        certify((Group(0.5, 1.0, 1),), 1e-12)
