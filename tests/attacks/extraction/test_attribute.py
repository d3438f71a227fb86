"""Attribute inference: what a model adds to a guess of a withheld label, for members and others."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from radpriv.attacks.attack import attacks, make_attack
from radpriv.attacks.evaluation.extraction_summary import extraction_row
from radpriv.attacks.extraction.attribute import Attribute, log_score, others
from radpriv.attacks.extraction.logistic import RIDGE, fit, probability
from radpriv.benchmark.store.attack_schema import Amounts
from radpriv.errors import AttackError

LABELS = 4


class Seen(SimpleNamespace):
    """What the attack reads of a view."""

    def __len__(self) -> int:
        return len(self.labels)


def world(seed: int, trained: bool, wrong: bool = False) -> tuple[Any, np.ndarray]:
    """(view, member): a nearly unregularised logistic regression per label on sparse words.

    trained: the model saw its members.  wrong: candidates have every label flipped.
    """
    rng = np.random.default_rng(seed)
    base, m, tests, words = 200, 200, 300, 1200
    x = (rng.random((base + m + tests, words)) < 0.02).astype(float)
    y = (x @ rng.standard_normal((words, LABELS)) > 0).astype(np.float32)
    if wrong:
        y[base : base + m] = 1 - y[base : base + m]
    member = rng.random(m) < 0.5
    rows = np.concatenate([np.arange(base), base + np.flatnonzero(member & trained)])
    logits = np.column_stack(
        [
            LogisticRegression(C=1e4, solver="liblinear")
            .fit(x[rows], y[rows, j])
            .decision_function(x)
            for j in range(LABELS)
        ]
    ).astype(np.float32)
    own, rest = slice(base, base + m), slice(base + m, None)
    known = SimpleNamespace(logits=logits[rest], labels=y[rest])
    return Seen(logits=logits[own], labels=y[own], population=known), member


def made_up(seed: int = 0, m: int = 60, n: int = 80) -> Any:
    """Labels that go together, some not observed; logits that know them a little."""
    rng = np.random.default_rng(seed)
    ill = rng.random((m + n, 1)) < 0.5
    y = (rng.random((m + n, LABELS)) < 0.2 + 0.5 * ill).astype(np.float32)
    logits = (rng.standard_normal(y.shape) + 2 * y - 1).astype(np.float32)
    y[rng.random(y.shape) < 0.15] = np.nan
    known = SimpleNamespace(logits=logits[m:], labels=y[m:])
    return Seen(logits=logits[:m], labels=y[:m], population=known)


def test_it_is_registered_and_needs_stored_scores_alone() -> None:
    attack = make_attack("attribute", {})
    assert attacks.get("attribute") is Attribute and not attack.needs and attack.on == "records"
    assert "bits" in Attribute.quantity
    with pytest.raises(AttackError, match="model, population"):
        make_attack("attribute", {"word": "oracle"})


def amounts(values: np.ndarray, member: np.ndarray) -> Amounts:
    """Of candidates of one model, of whom there are enough."""
    found = extraction_row([(values, member)]).amounts
    assert found is not None
    return found


@pytest.mark.parametrize("word", ["model", "population"])
@pytest.mark.parametrize("wrong", [False, True])
def test_members_of_an_over_fitted_model_lose_a_label(word: str, wrong: bool) -> None:
    """Members of an over-fitted model lose a label, and others do not."""
    view, member = world(0, trained=True, wrong=wrong)
    found = amounts(Attribute(word).score(view), member)
    assert found.difference.low > 0.15 and found.auc > 0.9
    assert found.member_mean > 0.15 and found.non_member_mean < 0.15


@pytest.mark.parametrize("word", ["model", "population"])
def test_untrained_candidates_show_no_difference(word: str) -> None:
    """Where no candidate was trained on, the difference is none.

    The control that must find nothing: eight models that saw no candidate.
    """
    gaps = []
    for seed in range(8):
        view, member = world(seed, trained=False)
        gaps.append(amounts(Attribute(word).score(view), member).difference)
    outside = sum(not gap.low <= 0 <= gap.high for gap in gaps)
    assert outside <= 2  # of 8 intervals at 95%: more with probability 0.006


def test_memorised_canaries_give_their_labels_away(by_heart: Any) -> None:
    """A model that knows its canaries by heart gives their labels away.

    Coin-flip labels: nothing else tells them, and of those never planted the model errs.
    """
    found = Attribute().score(by_heart.view)[::3]
    leaked = amounts(found, by_heart.member[::3])
    assert leaked.member_mean > 0.8 and leaked.difference.low > 1 and leaked.auc > 0.95
    assert leaked.non_member_mean < 0.1


def test_amount_is_the_gain_over_a_guess_from_other_labels() -> None:
    """The amount is the gain over a guess from the other labels, one record at a time.

    Oracle: a slow loop over records and labels, with scikit-learn's regression.
    """
    view = made_up()
    known = view.population
    expected = np.full(len(view), np.nan)
    for i, labels in enumerate(view.labels):
        gains = []
        for j in range(LABELS):
            if np.isnan(labels[j]):
                continue
            rows = [r for r in range(len(known.labels)) if not np.isnan(known.labels[r, j])]
            model = LogisticRegression(C=1 / RIDGE, solver="newton-cholesky", tol=1e-12)
            model.fit(signs(known.labels[rows], j), known.labels[rows, j])
            guess = model.predict_proba(signs(labels[None], j))[0, int(labels[j])]
            z = float(view.logits[i, j])
            said = 1 / (1 + math.exp(-z if labels[j] else z))
            gains.append(math.log2(said) - math.log2(guess))
        if gains:
            expected[i] = np.mean(gains)
    assert np.isnan(expected).sum() == np.isnan(view.labels).all(axis=1).sum()
    np.testing.assert_allclose(Attribute().score(view), expected, atol=2e-3)


def signs(labels: np.ndarray, j: int) -> list[list[float]]:
    return [
        [0.0 if math.isnan(v) else 1.0 if v else -1.0 for k, v in enumerate(row) if k != j]
        for row in labels.tolist()
    ]


def test_guess_from_other_labels_is_no_leak() -> None:
    """What the other labels tell is no leak.

    Label 1 repeats label 0, and so does the model's word: it adds nothing to the guess.
    """
    rng = np.random.default_rng(2)
    y = (rng.random((500, 1)) < 0.5).astype(np.float32).repeat(2, axis=1)
    logits = np.where(y > 0.5, 4.0, -4.0).astype(np.float32)
    known = SimpleNamespace(logits=logits[100:], labels=y[100:])
    seen = Seen(logits=logits[:100], labels=y[:100], population=known)
    assert np.abs(Attribute("population").score(seen)).max() < 0.02
    assert Attribute().score(seen).max() < 0.02


def test_withheld_label_is_not_among_what_it_is_guessed_from() -> None:
    labels = np.array([[1.0, 0.0, np.nan], [0.0, 1.0, 1.0]], np.float32)
    assert others(labels, 0).tolist() == [[-1.0, 0.0], [1.0, 1.0]]
    assert others(labels, 2).tolist() == [[1.0, -1.0], [-1.0, 1.0]]


def test_label_that_is_not_observed_counts_nowhere() -> None:
    view = made_up()
    view.labels[0] = np.nan
    view.labels[1, 1:] = np.nan
    found = Attribute().score(view)
    assert np.isnan(found[0]) and np.isfinite(found[1:][~np.isnan(view.labels[1:]).all(1)]).all()
    view.logits[0] = 50.0
    view.logits[1, 1:] = -50.0
    np.testing.assert_array_equal(Attribute().score(view), found)


def test_wrong_certainty_weighs_what_test_records_support() -> None:
    """One wrong certainty is worth no more than the test records can support."""
    least = 1 / 101
    found = log_score(np.array([0.0, 1.0, 0.5]), np.array([1.0, 1.0, 0.0]), least)
    np.testing.assert_allclose(found, [math.log2(least), math.log2(1 - least), -1.0])
    view = made_up()
    view.logits[:] = 1e4
    assert np.abs(Attribute().score(view)[~np.isnan(view.labels).all(1)]).max() < 8


def test_few_test_records_support_a_timid_guess() -> None:
    """Few test records support a timid guess, and none support no answer."""
    view = made_up(n=1)
    view.population.labels[:] = 1.0
    found = Attribute().score(view)
    seen = ~np.isnan(view.labels).all(axis=1)
    assert (
        np.isfinite(found[seen]).all() and np.abs(found[seen]).max() <= 1 + 1e-9
    )  # log2 of 2/3 to 1/3
    view.population.labels[:] = np.nan
    with pytest.raises(AttackError, match="no guess to beat"):
        Attribute().score(view)
    view.labels[:] = np.nan
    assert np.isnan(Attribute().score(view)).all()


def test_order_of_the_records_changes_no_answer() -> None:
    view = made_up()
    order = np.random.default_rng(1).permutation(len(view))
    mixed = Seen(logits=view.logits[order], labels=view.labels[order], population=view.population)
    np.testing.assert_allclose(Attribute().score(mixed), Attribute().score(view)[order])


def test_regression_is_scikit_learns_and_survives_one_class() -> None:
    """The regression is scikit-learn's and survives a class that is missing."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((150, 4)) * [1, 5, 0.1, 1]
    y = (x @ [1.0, -2, 3, 0] + rng.standard_normal(150) > 1).astype(float)
    model = LogisticRegression(C=1 / RIDGE, solver="newton-cholesky", tol=1e-12).fit(x, y)
    np.testing.assert_allclose(fit(x, y)[1:], model.coef_[0], atol=2e-3)
    np.testing.assert_allclose(probability(x, fit(x, y)), model.predict_proba(x)[:, 1], atol=2e-3)
    with np.errstate(all="raise"):
        none = probability(x, fit(x, np.zeros(150)))
    assert 0 < none.max() < 0.01
