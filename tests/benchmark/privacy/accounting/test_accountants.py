"""Three accountants on one ledger: known values, agreement, and what a wrong one is told."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from radpriv.benchmark.privacy.accounting.accountants import Accountants, EpsilonFigure, Figures
from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.benchmark.privacy.accounting.oracles import answer
from radpriv.errors import PrivacyError

Q = 512 / 20_000


@pytest.fixture(scope="module")
def ask() -> Iterator[Accountants]:
    with Accountants(60) as accountants:
        yield accountants


@pytest.mark.parametrize(
    ("group", "delta", "expected"),
    [
        (Group(0.125, 0.8, 1000), 1e-6, (56.73, 56.73, 65.15)),
        (Group(Q, 0.72, 390), 1e-5, (7.01, 7.01, 8.04)),
        (Group(Q, 0.72, 468), 1e-5, (7.59, 7.59, 8.64)),
        (Group(0.1, 1.0, 100), 1e-5, (7.05, 7.05, 7.90)),
        (Group(100 / 3500, 1.0, 100), 1e-5, (2.02, 2.02, None)),
        (Group(1 / 8, 1.0, 8), 1e-5, (3.17, 3.17, 3.79)),
        (Group(16 / 100_000, 1.0, 8), 1e-5, (0.00184, 0.00184, 0.456)),
        (Group(1.0, 10.0, 10), 1e-5, (1.1994, 1.1994, 1.3085)),
    ],
)
def test_the_accountants_give_the_known_values_and_agree(
    ask: Accountants, group: Group, delta: float, expected: tuple[float | None, ...]
) -> None:
    found = ask.figures((group,), delta)
    for figure, value in zip(found, expected, strict=True):
        assert figure.epsilon is not None, figure.why
        if value is not None:
            assert figure.epsilon == pytest.approx(value, rel=0.005, abs=figure.error / 2)
    assert found.disagreements() == ()
    assert found.bound is found.pld


@pytest.mark.parametrize(
    ("group", "delta", "expected"),
    [
        (Group(250 / 750_000, 4.0, 10_000), 1.1e-18, 0.1486),
        (Group(1e-6, 5.0, 10**9), 1e-6, 0.02332),
    ],
)
def test_where_two_have_no_answer_the_bound_is_rdp_by_name(
    ask: Accountants, group: Group, delta: float, expected: float
) -> None:
    found = ask.figures((group,), delta)
    assert found.pld.epsilon is None and found.prv.epsilon is None
    assert found.pld.why and found.prv.why and str(found.pld) == "no answer"
    assert found.bound.accountant == "RDP"
    assert found.bound.epsilon == pytest.approx(expected, rel=1e-3)


GOOD = Figures(
    EpsilonFigure("PLD", 1.0, 0.001), EpsilonFigure("PRV", 0.995, 0.01), EpsilonFigure("RDP", 1.1)
)


def test_figures_that_contradict_each_other_are_named() -> None:
    assert GOOD.disagreements() == ()
    (line,) = replace(GOOD, rdp=EpsilonFigure("RDP", 0.99)).disagreements()
    assert "PLD 1 is above RDP 0.99" in line
    (line,) = replace(GOOD, prv=EpsilonFigure("PRV", 0.95, 0.01)).disagreements()
    assert "differ by 0.05" in line
    (line,) = replace(GOOD, prv=EpsilonFigure("PRV", 0.985, 0.01)).disagreements()
    assert "differ by 0.015" in line  # more than the two errors together, by less than twice
    lines = replace(GOOD, prv=EpsilonFigure("PRV", 1.5, 0.01)).disagreements()
    assert len(lines) == 2 and "PRV 1.5 is above RDP" in lines[1]
    assert replace(GOOD, prv=EpsilonFigure("PRV", None)).disagreements() == ()


@pytest.mark.parametrize("silent", ["pld", "prv", "rdp"])
def test_an_accountant_without_an_answer_contradicts_nobody(silent: str) -> None:
    assert replace(GOOD, **{silent: EpsilonFigure(silent.upper(), None)}).disagreements() == ()


@pytest.mark.parametrize(("excess", "lines"), [(0.5e-6, 0), (1.5e-6, 1)])
def test_a_relative_difference_of_a_millionth_is_rounding(excess: float, lines: int) -> None:
    exact = Figures(
        EpsilonFigure("PLD", 2.0), EpsilonFigure("PRV", None), EpsilonFigure("RDP", 2.0)
    )
    above = replace(exact, pld=EpsilonFigure("PLD", 2.0 * (1 + excess)))
    assert len(above.disagreements()) == lines
    beside = replace(exact, prv=EpsilonFigure("PRV", 2.0 * (1 - excess)))
    assert len(beside.disagreements()) == lines
    over = replace(
        exact, pld=EpsilonFigure("PLD", None), prv=EpsilonFigure("PRV", 2.0 * (1 + excess))
    )
    assert len(over.disagreements()) == lines


@pytest.mark.parametrize("value", [-0.04, float("nan")])
def test_an_epsilon_that_is_none_is_no_answer(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from radpriv.benchmark.privacy.accounting import oracles

    monkeypatch.setitem(oracles.ORACLES, "PRV", lambda *_: (value, 0.0))
    question = {"accountant": "PRV", "groups": [[0.1, 1.0, 1]], "delta": 1e-5, "near": 1.0}
    assert "no epsilon" in answer(question)["why"]


HANGS = """
import sys, time
print('{"ready": 1}', flush=True)
for line in sys.stdin:
    if "RDP" in line:
        time.sleep(600)
    print('{"epsilon": 1.0, "error": 0.0, "seconds": 0.0}', flush=True)
"""


def test_the_second_process_ends_with_the_block() -> None:
    class Stub(Accountants):
        command = (sys.executable, "-c", HANGS.replace("RDP", "nobody"))

    with Stub() as asked:
        asked.figures((Group(0.1, 1.0, 1),), 1e-5)
        process = asked._process
        assert process is not None and process.poll() is None
    assert process.poll() is not None


def test_accountant_that_hangs_is_killed_and_the_next_is_asked() -> None:
    """An accountant that hangs is killed and the next is asked."""

    class Stub(Accountants):
        command = (sys.executable, "-c", HANGS)

    began = time.monotonic()
    with Stub(0.5) as ask:
        found = ask.figures((Group(0.1, 1.0, 1),), 1e-5)
    assert found.rdp.why == "more than 0.5 s" and found.pld.epsilon == 1.0
    assert time.monotonic() - began < 8


def test_a_process_that_works_is_ended_at_once() -> None:
    class Busy(Accountants):
        command = (sys.executable, "-c", "import time; print('{}', flush=True); time.sleep(60)")

    ask = Busy()
    process = ask._start()
    began = time.monotonic()
    ask.close()
    assert time.monotonic() - began < 30 and process.returncode == -signal.SIGKILL


def test_nonsense_starts_no_process() -> None:
    class Nobody(Accountants):
        command = ("no-such-program",)

    with pytest.raises(PrivacyError, match="no sampled Gaussian: rate 2"):
        Nobody().figures((Group(2.0, 1.0, 1),), 1e-5)


def test_a_figure_that_was_not_computed_took_no_time() -> None:
    assert (EpsilonFigure("PLD", None).seconds, EpsilonFigure("PLD", None).error) == (0.0, 0.0)


def test_a_process_that_dies_is_no_answer() -> None:
    class Stub(Accountants):
        command = (sys.executable, "-c", "print('{}', flush=True); input(); raise SystemExit(1)")

    with Stub(5) as ask:
        assert ask.figure("PLD", (Group(0.1, 1.0, 1),), 1e-5, 1.0).why == "its process ended"


class Deaf(Accountants):
    """Notes what is asked; RDP has no answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []

    def _ask(self, question: dict[str, Any], seconds: float | None) -> dict[str, Any]:
        self.asked.append(question)
        if question["accountant"] == "RDP":
            return {"why": "none"}
        return {"epsilon": 1.0, "error": 0.0, "seconds": 0.0, "noise_multiplier": 2.0}


def test_without_noise_in_one_group_nobody_is_asked() -> None:
    ask = Deaf()
    noisy, bare = Group(0.1, 1.0, 5), Group(0.1, 0.0, 5)
    assert [f.epsilon for f in ask.figures((noisy, bare), 1e-5)] == [math.inf] * 3
    assert [f.epsilon for f in ask.figures((), 1e-5)] == [0.0] * 3
    assert ask.asked == []


def test_where_rdp_has_no_answer_the_grid_is_that_of_one() -> None:
    ask = Deaf()
    ask.figures((Group(0.1, 1.0, 5),), 1e-5)
    assert [(q["accountant"], q["near"]) for q in ask.asked] == [
        ("RDP", 1.0),
        ("PLD", 1.0),
        ("PRV", 1.0),
    ]


def test_the_noise_asked_for_names_the_whole_plan() -> None:
    ask = Deaf()
    assert ask.noise("PRV", 2.0, 1e-5, 0.1, 7, 3.0) == 2.0
    assert ask.asked == [{"accountant": "PRV", "noise": [2.0, 1e-5, 0.1, 7, 3.0]}]


def test_a_process_that_is_closed_is_gone_and_not_a_zombie() -> None:
    accountants = Accountants()
    accountants.figure("RDP", [Group(1.0, 5.0, 1)], 1e-5, 1.0)
    process = accountants._process
    assert process is not None and process.stdout is not None
    accountants.close()
    assert process.returncode is not None and process.stdout.closed


def test_a_line_that_came_at_the_limit_is_no_answer() -> None:
    """The process was killed meanwhile: half a line would be read as a figure."""
    killed = threading.Event()

    def readline() -> str:
        assert killed.wait(30)
        return '{"epsilon": 1'

    process = SimpleNamespace(stdout=SimpleNamespace(readline=readline), kill=killed.set)
    assert Accountants._line(process, 0.01) == ("", True)  # type: ignore[arg-type]


def test_what_an_accountant_s_libraries_print_is_not_shown(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Chatty(Accountants):
        command = (sys.executable, "-c", "import sys; sys.stderr.write('hm')\n" + HANGS)

    with Chatty(0.5) as ask:
        ask.figures((Group(0.1, 1.0, 1),), 1e-5)
    assert capfd.readouterr() == ("", "")


def test_an_accountant_has_half_a_minute_unless_told() -> None:
    assert Accountants().seconds == 30.0
