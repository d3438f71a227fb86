"""radpriv.testing: a plug-in's suite as pytest parameters, computed once and only where asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from radpriv.attacks.attack import make_attack
from radpriv.attacks.conformance import check_attack
from radpriv.benchmark.conformance import check_method
from radpriv.benchmark.conformance.check_dataset import CHECKS, DatasetVerdict
from radpriv.benchmark.datasets.base import make_loader
from radpriv.errors import AttackError, PluginError, SuiteError, UnknownNameError
from radpriv.testing import Check, ConformanceSuite, parametrize_checks

pytest_plugins = ["pytester"]

ATTACK = """
from dataclasses import dataclass
import numpy as np
from radpriv.api import Attack, attacks

@attacks.register("mine")
@dataclass(frozen=True)
class Mine(Attack):
    def score(self, view):
        return np.zeros(len(view))
"""
TEST = """
from radpriv.testing import parametrize_checks

@parametrize_checks("mine.py")
def test_mine(check): check()
"""


def checks(*args: Any, **options: Any) -> list[Check]:
    """The checks that a test function would get."""
    mark = parametrize_checks(*args, **options).mark  # type: ignore[attr-defined]
    return [parameter.values[0] for parameter in mark.args[1]]


def ids(found: list[Check]) -> list[str]:
    return [check.id for check in found]


def suite(*verdicts: DatasetVerdict, asked: list[str] | None = None) -> ConformanceSuite:
    def begin() -> Iterator[DatasetVerdict]:
        for verdict in verdicts:
            if asked is not None:
                asked.append(verdict.check)
            yield verdict

    return ConformanceSuite(begin)


def test_verdicts_are_computed_once_and_as_far_as_asked() -> None:
    asked: list[str] = []
    of = [DatasetVerdict(c, True, "") for c in "abc"]
    run = suite(*of, asked=asked)
    Check("x", "b", run)()
    assert asked == ["a", "b"]
    Check("x", "a", run)()
    Check("x", "c", run)()
    assert asked == ["a", "b", "c"]


def test_a_check_passes_fails_skips_or_is_not_reached() -> None:
    run = suite(DatasetVerdict("a", None, "no files"), DatasetVerdict("b", False, "moves by 2"))
    with pytest.raises(pytest.skip.Exception, match="x-a: no files"):
        Check("x", "a", run)()
    with pytest.raises(pytest.fail.Exception, match="x-b: moves by 2"):
        Check("x", "b", run)()
    with pytest.raises(pytest.fail.Exception, match="x-c: not reached: 'b' failed: moves by 2"):
        Check("x", "c", run)()


def test_a_suite_that_raises_fails_what_comes_after() -> None:
    def begin() -> Iterator[DatasetVerdict]:
        raise KeyError("mine")
        yield

    run = ConformanceSuite(begin)
    with pytest.raises(KeyError, match="mine"):
        Check("x", "a", run)()
    with pytest.raises(pytest.fail.Exception, match="not reached: the suite ended with KeyError"):
        Check("x", "b", run)()


def test_a_methods_checks_have_unit_and_budget_in_their_ids() -> None:
    found = ids(checks("dp_bow", epsilons=(8.0, 0.5)))
    assert len(found) == len(set(found)) == 2 * 2 * len(check_method.CHECKS)
    assert "dp_bow-patient-eps0.5-goes_on_after_a_stop" in found
    assert ids(checks("dp_bow", units=("report",)))[0] == "dp_bow-report-eps8-through_the_waist"
    short = ids(checks("dp_bow", params={"steps": 4}, units=("report",)))
    assert "dp_bow-report-eps8-at_whole_length" not in short and len(short) == 8


@pytest.mark.parametrize("name", ["loss", "blind", "white_box", "exposure", "fill_mask"])
def test_an_attacks_checks_are_those_of_its_suite(name: str) -> None:
    attack = make_attack(name, {})
    assert tuple(c.name for c in checks(name)) == check_attack.check_names(attack)


def test_a_datasets_checks_are_those_of_its_suite() -> None:
    found = checks(make_loader("synthetic-plain", {"reports": 60}))
    assert tuple(c.name for c in found) == CHECKS and found[0].id == "synthetic-plain-loads"
    found[0]()
    with pytest.raises(pytest.skip.Exception, match="it reads no file"):
        found[4]()


def test_what_cannot_be_checked_is_refused_when_collected(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    for given, error, words in (
        ("dp_bwo", UnknownNameError, "no method, attack or dataset is called 'dp_bwo'"),
        (tmp_path / "empty.py", PluginError, "registers no method, attack or dataset"),
        (tmp_path / "gone.py", PluginError, "cannot be read"),
        ("lora", AttackError, "claims no privacy"),
        (object(), AttackError, "no Method, Attack or Loader"),
    ):
        with pytest.raises(error, match=words):
            parametrize_checks(given)  # type: ignore[arg-type]
    with pytest.raises(SuiteError, match="no parameter 'stepz'"):
        parametrize_checks("dp_bow", params={"stepz": 1})


def test_three_lines_test_a_plugin_beside_them(pytester: pytest.Pytester) -> None:
    """An attack that guesses fails the check that sees it, with one line of what was seen."""
    pytester.makepyfile(mine=ATTACK, test_mine=TEST)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-k", "repeat or answers or dir")
    done.stdout.fnmatch_lines(
        ["mine-direction: AUC 0.500 where members are favoured: no better than chance"]
    )
    done.assert_outcomes(passed=1, failed=1, deselected=7)
