"""Every registered attack passes the attack conformance suite; each flaw fails its own check."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest

from radpriv.attacks.attack import Attack, attacks, make_attack
from radpriv.attacks.conformance.check_attack import (
    AttackVerdict,
    check_names,
    conformance,
    share_right,
)
from radpriv.attacks.conformance.edge_cases import edge_case_views
from radpriv.attacks.conformance.toy_families import MAKE, fresh, records, secrets
from radpriv.attacks.membership.lira import Lira
from radpriv.attacks.membership.loss import Loss, mean_bce
from radpriv.attacks.metrics import auc
from radpriv.attacks.view import View

CHECKS = {
    "declarations",
    "answers",
    "same answer twice",
    "order of records",
    "no flags",
    "odd data",
    "direction",
    "null control",
}


@cache
def verdicts(attack: Attack) -> dict[str, AttackVerdict]:
    return {v.check: v for v in conformance(attack)}


QUICK = ("loss", "reference", "reference_untuned", "lira", "lira_offline", "rmia")


@pytest.mark.parametrize("name", QUICK)
def test_attacks_on_scores_pass(name: str) -> None:
    found = verdicts(make_attack(name, {}))
    assert [v for v in found.values() if not v.passed] == []
    assert set(found) == CHECKS | {"positive control"}
    assert tuple(found) == check_names(make_attack(name, {}))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in attacks.names() if n not in QUICK])
def test_every_other_registered_attack_passes(name: str) -> None:
    found = conformance(make_attack(name, {}))
    assert [v for v in found if not v.passed] == []
    assert tuple(v.check for v in found) == check_names(make_attack(name, {}))


@dataclass(frozen=True)
class Flipped(Attack):
    """The sign the wrong way round."""

    def score(self, view: View) -> Any:
        return -Loss().score(view)


@dataclass(frozen=True)
class FirstColumn(Attack):
    """The cross-entropy against label column 0, whatever the label."""

    def score(self, view: View) -> Any:
        wrong = np.where(np.isnan(view.labels), np.nan, np.nan_to_num(view.labels[:, :1]))
        return -np.nan_to_num(mean_bce(view.logits, wrong))


@dataclass(frozen=True)
class OtherClass(Attack):
    """The probability of the negative class taken for that of the label."""

    def score(self, view: View) -> Any:
        return np.nan_to_num(np.nanmax(np.nan_to_num(view.logits), axis=1)).astype(float)


@dataclass(frozen=True)
class ByPosition(Attack):
    """A score that depends on where a record stands."""

    def score(self, view: View) -> Any:
        return Loss().score(view) + 1e-3 * np.arange(len(view))


@dataclass(frozen=True)
class Remembers(Attack):
    """Flags of references, left where the reference is a target later."""

    def score(self, view: View) -> Any:
        for r in view.references:
            r.population.memo["member"] = r.member
        known = view.population.memo.get("member", np.zeros(len(view)))
        return Loss().score(view) + np.asarray(known)


@dataclass(frozen=True)
class LeavesFlags(Attack):
    """The same, without using them yet."""

    def score(self, view: View) -> Any:
        for r in view.references:
            r.population.memo["coins"] = {"of this seed": [r.member.astype(np.int8)]}
        return Loss().score(view)


COINS: dict[bytes, Any] = {}


@dataclass(frozen=True)
class Hoards(Attack):
    """Flags of references by their outputs, in a variable of the module."""

    def score(self, view: View) -> Any:
        for r in view.references:
            COINS[r.logits.tobytes()] = r.member
        return Loss().score(view) + COINS.get(view.logits.tobytes(), np.zeros(len(view)))


@dataclass(frozen=True)
class Raises(Attack):
    """No thought of a family of one."""

    def score(self, view: View) -> Any:
        assert view.references
        return Loss().score(view)


@dataclass(frozen=True)
class Minimum(Attack):
    """nanmin over OUT references: NaN, or a warning, where there is none."""

    def score(self, view: View) -> Any:
        losses = [np.where(r.member, np.nan, mean_bce(r.logits, r.labels)) for r in view.references]
        return np.min(losses, axis=0) - mean_bce(view.logits, view.labels)


@dataclass(frozen=True)
class Integers(Attack):
    """Not floats."""

    def score(self, view: View) -> Any:
        return np.zeros(len(view), dtype=np.int64)


@dataclass(frozen=True)
class Guesses(Attack):
    """The same number for everybody."""

    def score(self, view: View) -> Any:
        return np.zeros(len(view))


@dataclass(frozen=True)
class Undeclared(Attack):
    """A need that no view has."""

    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})

    def score(self, view: View) -> Any:
        return np.zeros(len(view))


@dataclass(frozen=True)
class Peeking(Attack):
    """Called blind, looks at the model."""

    sees_model: ClassVar[bool] = False

    def score(self, view: View) -> Any:
        return Loss().score(view) + 0.001 * view.length


@pytest.mark.parametrize(
    ("flaw", "check", "words"),
    [
        (Flipped, "direction", "the sign is flipped"),
        (FirstColumn, "positive control", "does it read the right columns"),
        (OtherClass, "positive control", "does it read the right columns"),
        (ByPosition, "order of records", "position, not the record, decides"),
        (Remembers, "same answer twice", "keeps a state"),
        (LeavesFlags, "no flags", r"left in its view, at view.population.memo\['coins'\]"),
        (Hoards, "no flags", "the target's flags"),
        (Raises, "odd data", "with no references it raised AssertionError"),
        (Minimum, "answers", "answers are not finite"),
        (Integers, "answers", "int64, not floats"),
        (Guesses, "direction", "no better than chance"),
        (Undeclared, "declarations", "needs 'gradients'"),
        (Peeking, "blind to the model", "standard errors from ½"),
    ],
)
def test_flawed_attack_fails_the_check_that_names_its_flaw(
    flaw: Callable[[], Attack], check: str, words: str
) -> None:
    verdict = verdicts(flaw())[check]
    assert not verdict.passed and re.search(words, verdict.detail), verdict


def test_flaw_of_one_check_leaves_the_others_verdicts() -> None:
    """A flaw that one check finds does not disturb the verdicts of the others."""
    assert verdicts(ByPosition())["no flags"].passed and verdicts(Flipped())["odd data"].passed
    assert set(verdicts(Integers())) == {"declarations", "answers"}


def test_control_is_over_fitted_by_the_correctness_gap() -> None:
    """The control is over-fitted, and its floor is the correctness gap.

    With one label, AUC = ½ + half the gap of accuracies, as 0.996 and 0.554 give 0.721.
    """
    target = records()[0]
    one = target.view.label(0)
    right = share_right(one)
    inside, outside = right[target.member].mean(), right[~target.member].mean()
    assert inside > 0.98 and outside < 0.65
    assert auc(right, target.member) == pytest.approx(0.5 + (inside - outside) / 2)
    assert round(0.5 + (0.996 - 0.5535) / 2, 3) == 0.721


def test_untrained_family_knows_no_coin() -> None:
    """An untrained family knows no coin, and a split that leaks tells them all."""
    for target in records("untrained"):
        assert abs(auc(Loss().score(target.view), target.member) - 0.5) < 0.1
    for target in records("leaking split"):
        length = target.view.length.astype(float)
        assert auc(length, target.member) > 0.65
        assert abs(auc(Loss().score(target.view), target.member) - 0.5) < 0.12


@pytest.mark.parametrize("on", list(MAKE))
def test_toy_answers_as_its_view_says(on: str) -> None:
    view = MAKE[on]()[0].view
    if view.query is not None and view.texts is not None:
        assert view.query(view.texts) == pytest.approx(view.logits, abs=1e-4)
        assert view.query(view.texts, untuned=True) == pytest.approx(view.untuned, abs=1e-4)
    for secret, text in zip(view.secrets or (), view.texts or ()):
        assert secret is not None and secret.text(secret.truth) == text
        assert secret.text((secret.truth + 1) % secret.space) != text
    assert (on == "gradients") == (view.projections is not None)


def test_planted_secrets_are_remembered_and_others_are_not() -> None:
    target = secrets()[0]
    assert auc(Loss().score(target.view), target.member) > 0.95
    never = secrets("untrained")[0]
    assert abs(auc(Loss().score(never.view), never.member) - 0.5) < 0.3


def test_fresh_coins_reach_the_references_and_not_the_target() -> None:
    toy = records()
    coins = ~np.stack([t.member for t in toy])
    turned = fresh(toy, coins)
    assert np.array_equal(turned[0].view.references[0].member, coins[1])
    assert np.array_equal(turned[0].view.logits, toy[0].view.logits)
    assert not np.allclose(Lira().score(turned[0].view), Lira().score(toy[0].view))


def test_odd_views_are_what_they_are_called() -> None:
    views = edge_case_views(records()[0].view, "records")
    assert len(views) == 11
    assert views["no references"].references == ()
    assert all(r.member.all() for r in views["references of members alone"].references)
    assert len(views["a single test record"].references[0].population.logits) == 1
    hidden = np.isnan(views["a third of labels, some records and one label unobserved"].labels)
    assert hidden[:, -1].all() and hidden[0].all() and 0.3 < hidden.mean() < 0.7
    assert replace(views["two candidates"]).slots.size == 2
