"""A sound method on hashed words, of which each flaw replaces one part, and its verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import pytest
import torch

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.conformance.check_method import checks
from radpriv.benchmark.conformance.replay import Setting
from radpriv.benchmark.conformance.toy_data import World
from radpriv.benchmark.conformance.verdict import Verdict
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.release import apply

_vector = lru_cache(maxsize=None)(HashedWords(32, 1, True))


class Words(HashedWords):
    """Each text is hashed once, though the methods here see the same few a hundred times."""

    def __call__(self, text: str) -> Any:
        return _vector(text)


WORDS = Words(32, 1, True)


@dataclass(frozen=True)
class Sound(Method):
    """A DP-SGD loop on hashed words."""

    rate: float = 0.3
    steps: int = 6
    max_norm: float = 0.3

    units = frozenset({"report", "patient"})
    uses_encoder = False
    words: ClassVar[Words] = WORDS

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
        sigma = run.calibrate(self.rate, self.count(train))
        records = train.map("words", self.words)
        state = self.state(model, optimizer, schedule)
        for step in run.poisson(records, self.rate, self.count(train), state=state):
            self.before(model, step)
            total = clipped_sum(model, self.taken(step), self.max_norm)
            update = step.gaussian("gradient", total, sigma)
            apply(model, optimizer, update / self.divisor(step))
            schedule.step()
            if self.over(model, step):
                break
        return self.fitted(train, model)

    def state(self, *parts: Any) -> Any:
        return parts

    def count(self, train: Any) -> int:
        return self.steps

    def before(self, model: Any, step: Any) -> None:
        pass

    def taken(self, step: Any) -> Any:
        return step.records

    def divisor(self, step: Any) -> float:
        return float(step.expected_batch)

    def over(self, model: Any, step: Any) -> bool:
        return False

    def fitted(self, train: Any, model: LinearModel) -> LinearFitted:
        weight = model.head.weight.detach().numpy().T
        bias = model.head.bias.detach().numpy()
        return LinearFitted(train.labels, self.words, weight, bias, self.words.spec)


@pytest.fixture(scope="session")
def world() -> World:
    return World.small()


@pytest.fixture(scope="session")
def sound() -> Callable[..., Method]:
    """The sound method, or with a flaw: a class of the methods that it replaces."""

    def method(flaw: type = object) -> Method:
        if flaw is object:
            return Sound()
        return type(flaw.__name__, (flaw, Sound), {"__module__": flaw.__module__})()

    return method


@pytest.fixture(scope="session")
def verdicts(world: World) -> Callable[..., dict[str, Verdict]]:
    """The verdicts on a method by check; those after the check `last` are not asked for.

    whole: the method at its whole length, where `method` is a shorter one.
    """

    def found(
        method: Method, unit: str = "report", last: str = "", whole: Method | None = None
    ) -> dict[str, Verdict]:
        n = world.n_public(unit)
        setting = Setting(method, None, Budget.of(8.0, n, unit=unit), world.labels, n)
        seen: dict[str, Verdict] = {}
        for verdict in checks(setting, world, whole=whole):
            seen[verdict.check] = verdict
            if verdict.check == last:
                break
        assert last in seen or not last, seen
        return seen

    return found
