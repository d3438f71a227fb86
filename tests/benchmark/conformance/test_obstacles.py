"""What stands in the way of a replay, of a certificate, or of going on after a stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from radpriv.benchmark.conformance.verdict import Verdict
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.privacy.bounded import bounded_sum

Verdicts = Callable[..., dict[str, Verdict]]
Of = Callable[..., Method]
WORDS = HashedWords(32, 1, True)


class Unseeded:
    noise: ClassVar[Any] = np.random.default_rng()

    def divisor(self, step: Any) -> float:
        return float(step.expected_batch * (1 + self.noise.random()))


class Forgets:
    """Its schedule is not in the state: a run that goes on takes other steps."""

    def state(self, *parts: Any) -> Any:
        return parts[:2]


class Raw:
    def count(self, train: Any) -> int:
        train.raw()
        return self.steps


@pytest.mark.parametrize(
    ("flaw", "check", "words"),
    [
        (Unseeded, "reproducible", "randomness from elsewhere"),
        (Forgets, "goes on after a stop", "releases differ"),
        (Raw, "through the waist", "takes the records themselves"),
    ],
)
def test_what_bars_a_claim_by_construction_is_said(
    flaw: type, check: str, words: str, sound: Of, verdicts: Verdicts
) -> None:
    told = verdicts(sound(flaw), last=check)[check]
    assert not told.passed and words in told.detail


def test_more_steps_than_were_calibrated_for_are_over_the_budget(
    sound: Of, verdicts: Verdicts
) -> None:
    class More:
        def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
            few = run.calibrate(self.rate, 2)
            run.calibrate = lambda rate, steps: few
            return super().fit(train, encoder, budget, run)

    assert not verdicts(sound(More), last="certificate")["certificate"].passed


@dataclass(frozen=True)
class Moments(Method):
    """Two bounded sums of one query."""

    uses_encoder = False
    units = frozenset({"report", "patient"})

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        def moment(records: Any) -> dict[str, torch.Tensor]:
            x, _ = records.inputs()
            y = torch.nan_to_num(records.labels).to(x.dtype)
            return {"xy": x.unsqueeze(2) * y.unsqueeze(1)}

        sigma = run.calibrate(1.0, 1) * math.sqrt(2)
        with run.once(train.map("words", WORDS)) as query:
            first = query.gaussian("a", bounded_sum(moment, query.records, 1.0), sigma)
            second = query.gaussian("b", bounded_sum(moment, query.records, 0.5), sigma)
        weight = (first.tensors["xy"] + second.tensors["xy"]).numpy()
        return LinearFitted(train.labels, WORDS, weight, np.zeros(weight.shape[1]), WORDS.spec)


@pytest.mark.parametrize("unit", ["report", "patient"])
def test_two_releases_of_one_query_pass_and_are_merged(unit: str, verdicts: Verdicts) -> None:
    """Two releases of one query pass, and are merged in the certificate."""
    found = verdicts(Moments(), unit)
    assert all(v.passed for v in found.values()), found
    assert "2 releases" in found["through the waist"].detail
    spent = float(found["certificate"].detail.split("= ")[1].split(" ")[0])
    assert spent == pytest.approx(8.0, rel=0.005)
