"""The three accountants as functions: what each returns, and what it refuses."""

from __future__ import annotations

import io
import json
import math
from types import SimpleNamespace
from typing import Any

import pytest

from radpriv.benchmark.privacy.accounting import calibration, oracles
from radpriv.benchmark.privacy.accounting import pld as engine
from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.benchmark.privacy.accounting.rdp import rdp
from radpriv.errors import PrivacyError

GROUP = (Group(512 / 20_000, 0.72, 390),)
DELTA, NEAR = 1e-5, 7.01


def test_rdp_is_a_bound_and_states_no_error() -> None:
    assert oracles.ORACLES["RDP"](GROUP, DELTA, NEAR) == (rdp(GROUP, DELTA), 0.0)
    assert rdp(GROUP, DELTA) == pytest.approx(8.04, rel=1e-3)


def test_pld_error_is_twice_what_a_grid_twice_as_fine_takes_off() -> None:
    """PLD's error is twice what a grid twice as fine takes off."""
    epsilon, error = oracles.pld(GROUP, DELTA, NEAR)
    whole, interval = calibration.certificate(GROUP, DELTA, NEAR)
    finer = engine.epsilon(GROUP, DELTA, interval / 2)
    assert epsilon == whole and whole - finer > 0
    assert error == pytest.approx(2 * (whole - finer) + 1e-3 * whole, rel=1e-6)


def test_pld_s_finer_grid_is_no_longer_than_a_grid_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    _, interval = calibration.certificate(GROUP, DELTA, NEAR)
    monkeypatch.setattr(engine, "POINTS", engine.widest(GROUP, DELTA) / interval * 1.0002)
    epsilon, error = oracles.pld(GROUP, DELTA, NEAR)
    assert error == pytest.approx(1e-3 * epsilon, rel=1e-2)  # no finer one was to be had


@pytest.mark.parametrize("epsilon", [0.0, math.inf])
def test_pld_states_no_error_of_what_is_no_figure(
    epsilon: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracles, "certificate", lambda *_: (epsilon, 1.0))
    assert oracles.pld(GROUP, DELTA, 1.0) == (epsilon, 0.0)


def test_prv_estimates_between_its_bounds() -> None:
    middle, error = oracles.prv(GROUP, DELTA, NEAR)
    assert middle == pytest.approx(NEAR, rel=0.005)
    assert 0 < error <= 2 * oracles.RELATIVE * NEAR


def test_prv_takes_groups_together() -> None:
    split = (Group(GROUP[0].rate, 0.72, 300), Group(GROUP[0].rate, 0.72, 90))
    assert oracles.prv(split, DELTA, NEAR) == pytest.approx(oracles.prv(GROUP, DELTA, NEAR))


def test_prv_s_grid_is_counted_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count is Gopi et al.'s (2021, 2106.02848): the domain over the mesh size."""
    from opacus.accountants import PRVAccountant
    from opacus.accountants.analysis.prv import domain

    made: list[int] = []
    real = domain.Domain.create_aligned

    def seen(low: float, high: float, dt: float) -> Any:
        found = real(low, high, dt)
        made.append(found.size)
        return found

    monkeypatch.setattr("opacus.accountants.prv.Domain.create_aligned", seen)
    oracles.prv(GROUP, DELTA, NEAR)
    monkeypatch.setattr(oracles, "PRV_POINTS", 10)
    monkeypatch.setattr(PRVAccountant, "_get_dprv", lambda *_, **__: pytest.fail("made"))
    said = oracles.answer(
        {"accountant": "PRV", "groups": [list(vars(GROUP[0]).values())], "delta": DELTA, "near": 7}
    )["why"]
    assert "grid of" in said
    counted = float(said.split("grid of ")[1].split()[0])
    assert counted == pytest.approx(made[0] * NEAR / 7, rel=0.06)


class Bounds:
    """A stand-in for PRV's composed variable, with the bounds it is told."""

    def __init__(self, *answers: tuple[float, float, float]) -> None:
        self.answers = list(answers)
        self.deltas: list[float] = []

    def compute_epsilon(self, delta: float, delta_error: float, error: float) -> Any:
        self.deltas.append(delta)
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("first", "at_twice_delta", "why"),
    [
        ((6.9, 7.0, 7.1), (6.4, 6.5, 6.6), None),
        ((7.2, 7.0, 7.1), (6.4, 6.5, 6.6), "its bounds contradict themselves"),
        ((6.9, 7.0, 6.8), (6.4, 6.5, 6.6), "its bounds contradict themselves"),
        ((6.9, 7.0, 7.1), (7.4, 7.5, 7.6), "its bounds contradict themselves"),
        ((4.0, 7.0, 9.0), (3.0, 6.5, 8.0), "wider than it was asked for"),
    ],
)
def test_prv_s_bounds_are_checked(
    first: Any, at_twice_delta: Any, why: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opacus.accountants import PRVAccountant

    found = Bounds(first, at_twice_delta)
    monkeypatch.setattr(PRVAccountant, "_get_dprv", lambda *_, **__: found)
    question = {"accountant": "PRV", "groups": [[0.0256, 0.72, 390]], "delta": DELTA, "near": 7.0}
    said = oracles.answer(question)
    assert found.deltas == [DELTA, 2 * DELTA]
    if why is None:
        assert said["epsilon"] == 7.0 and said["error"] == pytest.approx(0.1)
    else:
        assert why in said["why"]


@pytest.mark.parametrize("name", ["PLD", "PRV", "RDP"])
def test_noise_that_an_accountant_finds_spends_its_guarantee(name: str) -> None:
    """The noise that an accountant finds spends what it guarantees."""
    rate, steps, epsilon = GROUP[0].rate, 390, 7.0
    sigma = oracles.noise(name, epsilon, DELTA, rate, steps, 0.72)
    value, error = oracles.ORACLES[name]((Group(rate, sigma, steps),), DELTA, epsilon)
    assert 0.99 * epsilon <= value + error <= epsilon


def test_noise_search_ends_within_half_a_percent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Noise is searched to half a percent from the first guess."""
    asked: list[Any] = []
    monkeypatch.setattr(oracles, "search", lambda spent, *how: asked.append(how) or 2.5)
    question = {"accountant": "RDP", "noise": [7.0, DELTA, 0.1, 10, 0.72]}
    assert oracles.answer(question) == {"noise_multiplier": 2.5}
    assert asked == [(7.0, 0.72, 1.05, 0.005)]


def test_an_answer_says_how_long_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    question = {"accountant": "RDP", "groups": [[0.1, 1.0, 10]], "delta": DELTA, "near": 1.0}
    now = iter([10.0, 12.5])
    monkeypatch.setattr(oracles, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    assert oracles.answer(question)["seconds"] == 2.5


def test_the_process_may_take_four_gibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    limits: list[Any] = []
    monkeypatch.setattr(resource, "setrlimit", lambda *limit: limits.append(limit))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    oracles.main()
    assert limits == [(resource.RLIMIT_DATA, (2**32, 2**32))]


def test_process_is_ready_first_and_then_answers_line_by_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process is ready first and then answers line by line.

    Every line is flushed: who asks waits for it on a pipe.
    """

    class Pipe(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    out = Pipe()
    question = {"accountant": "RDP", "groups": [[0.1, 1.0, 10]], "delta": DELTA, "near": 1.0}
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{json.dumps(question)}\n" * 2))
    monkeypatch.setattr("sys.platform", "elsewhere")  # no limit on this process
    oracles.main()
    ready, *answers = map(json.loads, out.getvalue().splitlines())
    assert set(ready) == {"ready"} and len(answers) == 2 and out.flushed >= 3
    assert answers[0]["epsilon"] == rdp((Group(0.1, 1.0, 10),), DELTA)


@pytest.mark.parametrize("room", [1 - 1e-4, 1, 1 + 1e-4])
def test_prv_s_grid_is_refused_exactly_where_it_does_not_fit(
    room: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mesh size ε_error / sqrt(n ln(12 / δ_error) / 2), as Opacus chooses it."""
    from opacus.accountants import PRVAccountant
    from opacus.accountants.analysis.prv import PoissonSubsampledGaussianPRV as Variable
    from opacus.accountants.analysis.prv import compute_safe_domain_size

    error, steps = oracles.RELATIVE * NEAR, GROUP[0].steps
    variable = Variable(GROUP[0].rate, GROUP[0].noise_multiplier)
    half = compute_safe_domain_size([variable], [steps], error, DELTA / 1000)
    points = 2 * half * math.sqrt(steps * math.log(12_000 / DELTA) / 2) / error

    class Made(Exception):
        pass

    def made(*_: object, **__: object) -> None:
        raise Made

    monkeypatch.setattr(oracles, "PRV_POINTS", points * room)
    monkeypatch.setattr(PRVAccountant, "_get_dprv", made)
    with pytest.raises(PrivacyError if room < 1 else Made):
        oracles.prv(GROUP, DELTA, NEAR)
