"""Exposure on a real, over-fitted model: planted secrets show, others do not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from radpriv.attacks.attack import attacks, make_attack
from radpriv.attacks.extraction import bits
from radpriv.attacks.extraction.exposure import Exposure
from radpriv.attacks.view import Secret
from radpriv.benchmark.canary_spec import Planting
from radpriv.errors import AttackError


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    half = 3 * values.std(ddof=1) / math.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def table(truths: Sequence[int], space: int, seed: int = 0, seen: float = 3.0) -> Any:
    """A view whose model scores each (canary, secret) by a table; half the truths stick out.

    Canary c asks texts "c/secret"; label 1, so the loss falls with the logit.
    """
    rng = np.random.default_rng(seed)
    count = len(truths)
    memory = (rng.normal(size=(count, space)) - 4).astype(np.float32)
    memory[np.arange(0, count, 2), np.array(truths)[::2]] += seen
    asked: list[str] = []

    def query(texts: Sequence[str], untuned: bool = False) -> Any:
        asked.extend(texts)
        at = np.array([[int(x) for x in t.split("/")] for t in texts])
        return memory[at[:, 0], at[:, 1]][:, None]

    secrets = tuple(
        Secret(t, space, lambda s, c=c: f"{c}/{s}")  # type: ignore[misc]
        for c, t in enumerate(truths)
    )
    view = SimpleNamespace(
        query=query,
        secrets=secrets,
        labels=np.ones((count, 1), np.float32),
        patient=tuple(f"p{c}" for c in range(count)),
        kind=("secret",) * count,
        __len__=None,
    )
    return _Sized(view), memory, asked


class _Sized:
    def __init__(self, inner: SimpleNamespace) -> None:
        self.__dict__.update(vars(inner))

    def __len__(self) -> int:
        return len(self.patient)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def shown(by_heart: Any) -> np.ndarray:
    """What the attack finds in the over-fitted model, in bits."""
    return Exposure().score(by_heart.view)


def test_exposure_is_registered_with_its_needs_and_unit() -> None:
    """Exposure is registered and says what it needs and in which unit."""
    attack = make_attack("exposure", {})
    assert attacks.get("exposure") is Exposure and attack.on == "secrets"
    assert attack.needs == {"query", "secrets"}
    assert "bits" in Exposure.quantity and bits.SCALE in Exposure.quantity
    assert Exposure.chance == pytest.approx(1.4427, abs=1e-4)


def test_planted_secrets_show_and_unplanted_ones_do_not(by_heart: Any, shown: np.ndarray) -> None:
    """Secrets that were planted show, and those never planted do not.

    The control that must find: 3 copies, over-fitted. The control that must not: never in.
    """
    planted, never = shown[by_heart.member][::3], shown[~by_heart.member][::3]
    assert mean_interval(planted)[0] > 5 and planted.max() == pytest.approx(math.log2(100))
    # A uniform rank in 100 shows 1.395 ± 1.44 bits.
    assert len(never) == 36 and abs(never.mean() - 1.395) < 3 * 1.44 / math.sqrt(36)


def test_untrained_model_shows_one_bit_of_every_secret(memorise: Callable[..., Any]) -> None:
    """A model that never trained shows about one bit of every secret."""
    blank = memorise(Planting("secret", 8, space=100), 0)
    np.testing.assert_allclose(Exposure().score(blank.view), math.log2(100 / 50.5))


def test_small_space_is_asked_in_full_and_the_rank_is_exact() -> None:
    """Oracle: the place in the sorted row of the model's own table."""
    truths = [3, 999, 500, 0]
    view, memory, asked = table(truths, 1000)
    found = Exposure().score(view)
    for c, t in enumerate(truths):
        place = sorted(memory[c].tolist(), reverse=True).index(float(memory[c, t])) + 1
        assert found[c] == pytest.approx(math.log2(1000 / place))
    assert len(asked) == len(set(asked)) == 4 * 1000
    assert Exposure(estimate="rank").score(view) == pytest.approx(found)


@pytest.mark.parametrize("space", [1000, 100_000])
def test_large_space_is_sampled_without_truth_or_repetition(space: int) -> None:
    """A large space is sampled without the truth and without repetition."""
    truths = list(range(20))
    view, _, asked = table(truths, space)
    Exposure(candidates=300, exact=100).score(view)
    assert len(asked) == 20 * 301
    for c in range(20):
        secrets = [int(t.split("/")[1]) for t in asked[c * 301 : (c + 1) * 301]]
        assert secrets[0] == truths[c] and len(set(secrets)) == 301
        assert 0.4 < np.mean(secrets[1:]) / space < 0.6
    first = [t.split("/")[1] for t in asked[1:301]]
    assert first != [t.split("/")[1] for t in asked[302:602]]  # of its own for each canary


def test_fit_answers_beyond_the_sample_and_else_the_rank() -> None:
    """Beyond the sample the fit on the loss answers, and else the rank."""
    truths = list(range(40))
    view, memory, _ = table(truths, 100_000, seen=6.0)
    attack = Exposure(candidates=200, exact=100)
    found = attack.score(view)
    fitted = replace(attack, estimate="fit").score(view)
    ranked = replace(attack, estimate="rank").score(view)
    top = math.log2(201)
    assert ranked.max() == top and (ranked[::2] == top).all()
    beyond = ranked == top
    np.testing.assert_array_equal(found[beyond], np.maximum(fitted, top)[beyond])
    np.testing.assert_array_equal(found[~beyond], ranked[~beyond])
    assert found[::2].mean() > top + 1 and found.max() <= math.log2(100_000)
    for c in (0, 5):  # the fit is on the cross-entropy, −log σ(z), and no other scale
        others = attack.others(view.secrets[c], f"p{c}")
        loss = np.log1p(np.exp(-memory[c, [truths[c], *others]].astype(float)))
        assert fitted[c] == pytest.approx(bits.exposure_by_fit(loss[0], loss[1:], 100_000))
        other_scale = bits.exposure_by_fit(np.exp(loss[0]), np.exp(loss[1:]), 100_000)
        assert abs(fitted[c] - other_scale) > 0.05


@pytest.mark.parametrize("estimate", ["auto", "rank", "fit"])
def test_secrets_of_uniform_rank_show_what_guessing_shows(estimate: str) -> None:
    view, _, _ = table([7 * c for c in range(300)], 10_000, seen=0.0)
    found = Exposure(candidates=99, exact=0, estimate=estimate).score(view)
    low, high = mean_interval(found)
    assert low < bits.CHANCE < high and high - low < 0.7


def test_copies_are_asked_once_and_all_get_the_answer(by_heart: Any, shown: np.ndarray) -> None:
    asked: list[str] = []

    def query(texts: Sequence[str], untuned: bool = False) -> Any:
        asked.extend(texts)
        return by_heart.view.query(texts)

    view = replace(by_heart.view.only(np.arange(12)), query=query)
    found = Exposure().score(view)
    assert len(asked) == 4 * 100
    np.testing.assert_array_equal(found, np.repeat(shown[:12:3], 3))
    first, *rest = view.secrets  # type: ignore[misc]
    broken = replace(view, secrets=(replace(first, truth=(first.truth + 1) % 100), *rest))
    with pytest.raises(AttackError, match="different secrets"):
        Exposure().score(broken)


def test_order_of_the_records_changes_no_answer(by_heart: Any, shown: np.ndarray) -> None:
    rows = np.random.default_rng(3).permutation(len(by_heart.view))[:18]
    found = Exposure().score(by_heart.view.only(rows))
    np.testing.assert_allclose(found, shown[rows], atol=1e-9)


def test_without_the_model_or_a_secret_it_says_what_is_missing(by_heart: Any) -> None:
    view = by_heart.view
    for broken in (
        replace(view, query=None),
        replace(view, secrets=None),
        replace(view, secrets=(None, *view.secrets[1:])),
    ):
        with pytest.raises(AttackError, match="needs the saved model and a secret"):
            Exposure().score(broken)
    for wrong in ({"estimate": "best"}, {"candidates": 3}, {"exact": -1}):
        with pytest.raises(AttackError, match="exposure:"):
            make_attack("exposure", wrong)
