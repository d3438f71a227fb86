"""Releases made are releases in the ledger, however a method goes about it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy.accounting.ledger import Ledger, Release, groups, read
from radpriv.benchmark.privacy.bounded import bounded_sum
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateFeatures, PrivateRecords
from radpriv.errors import PrivacyError, StoreError

WORDS = HashedWords(32, 1, True)


class Stop(Exception):
    """A method's own error."""


class Method:
    """What a method does with a run; received: every noised value that it got to see."""

    def __init__(self, run: Any, records: PrivateFeatures) -> None:
        self.run, self.records = run, records
        self.model = LinearModel(32, 3, 1.0).train()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.0)
        self.received: list[tuple[int, str, str]] = []

    def release(self, step: Any, name: str = "g", clip: float = 1.0) -> None:
        noised = step.gaussian(name, clipped_sum(self.model, step.records, clip), 2.0)
        self.received.append((step.index, name, noised.sha256))

    def loop(self, rate: float = 0.5, steps: int = 4) -> Any:
        return self.run.poisson(self.records, rate, steps, state=(self.model, self.optimizer))

    def query(self, *names: str) -> None:
        with self.run.once(self.records) as query:
            for i, name in enumerate(names):
                total = bounded_sum(lambda r: {"x": r.inputs()[0]}, query.records, 1.0 + i)
                noised = query.gaussian(name, total, 2.0)
                self.received.append((query.index, name, noised.sha256))


def plain(m: Method) -> None:
    for step in m.loop():
        m.release(step)


def early_break(m: Method) -> None:
    for step in m.loop():
        m.release(step)
        if step.index == 1:
            break


def error_after_a_release(m: Method) -> None:
    with suppress(Stop):
        for step in m.loop():
            m.release(step)
            if step.index == 2:
                raise Stop


def error_before_a_release(m: Method) -> None:
    with suppress(Stop):
        for step in m.loop():
            if step.index == 2:
                raise Stop
            m.release(step)


def two_loops(m: Method) -> None:
    plain(m)
    for step in m.loop(rate=0.2, steps=3):
        m.release(step)


def loop_after_an_early_break(m: Method) -> None:
    early_break(m)
    plain(m)


def query_before_a_loop(m: Method) -> None:
    m.query("gram", "moments")
    plain(m)


def query_after_a_loop(m: Method) -> None:
    plain(m)
    m.query("gram")


def several_per_step(m: Method) -> None:
    for step in m.loop():
        for name in ("g", "h", "again"):
            m.release(step, name, 1.0 + len(name))


def one_name_twice(m: Method) -> None:
    for step in m.loop():
        m.release(step)
        with suppress(PrivacyError):
            m.release(step, clip=0.5)


def no_noise(m: Method) -> None:
    for step in m.loop():
        m.release(step)
        with suppress(PrivacyError):
            step.gaussian("bare", clipped_sum(m.model, step.records, 1.0), 0.0)


def query_within_a_step(m: Method) -> None:
    for step in m.loop():
        m.release(step)
        with suppress(PrivacyError):
            m.query("x")
        with suppress(PrivacyError):
            m.release(step, clip=0.5)


def loop_within_a_step(m: Method) -> None:
    for step in m.loop():
        m.release(step)
        with suppress(PrivacyError):
            for inner in m.loop():
                m.release(inner)


HOW: dict[Callable[[Method], None], list[tuple[int, str]]] = {
    plain: [(t, "g") for t in range(4)],
    early_break: [(0, "g"), (1, "g")],
    error_after_a_release: [(0, "g"), (1, "g"), (2, "g")],
    error_before_a_release: [(0, "g"), (1, "g")],
    two_loops: [(t, "g") for t in range(7)],
    loop_after_an_early_break: [(t, "g") for t in range(6)],
    query_before_a_loop: [(0, "gram"), (0, "moments"), *((t, "g") for t in range(1, 5))],
    query_after_a_loop: [*((t, "g") for t in range(4)), (4, "gram")],
    several_per_step: [(t, n) for t in range(4) for n in ("g", "h", "again")],
    one_name_twice: [(t, "g") for t in range(4)],
    no_noise: [(t, "g") for t in range(4)],
    query_within_a_step: [(t, "g") for t in range(4)],
    loop_within_a_step: [(t, "g") for t in range(4)],
}
"""How a method goes about it, and the (step, name) of every release that it gets."""

Setup = Callable[[bool], tuple[Method, Path]]


@pytest.fixture
def setup(make_run: Any, universe_of: Callable[..., Universe], tmp_path: Path) -> Setup:
    def make(empty: bool) -> tuple[Method, Path]:
        universe = universe_of([0, 0, 1, 2, 3, 4, 5])
        if empty:
            universe = replace(universe, member=np.zeros(7, bool))
        train = PrivateRecords(universe, ("a", "b", "c"), 30, FeatureCache(None))
        path = tmp_path / f"ledger-{empty}.jsonl"
        return Method(make_run(units=6, ledger=Ledger(path)), train.map("w", WORDS)), path

    return make


def booked(path: Path) -> list[tuple[int, str, str]]:
    return [(r.step, r.name, r.sha256) for r in read(path)] if path.exists() else []


@pytest.mark.parametrize("empty", [False, True], ids=["members", "nobody"])
@pytest.mark.parametrize("how", HOW, ids=lambda f: f.__name__)
def test_what_a_method_received_is_what_the_ledger_holds(
    how: Callable[[Method], None], empty: bool, setup: Setup
) -> None:
    method, path = setup(empty)
    how(method)
    assert booked(path) == method.received
    assert [(t, n) for t, n, _ in method.received] == HOW[how]
    assert len({h for _, _, h in method.received}) == len(method.received)
    assert method.run.silent is (how is error_before_a_release)
    steps = {t for t, _, _ in method.received}
    assert sum(g.steps for g in groups(method.run.releases)) == len(steps)


def test_nobody_and_somebody_give_releases_in_the_same_places(setup: Setup) -> None:
    for how in HOW:
        places = []
        for empty in (False, True):
            method, path = setup(empty)
            how(method)
            places.append([(r.step, r.name, r.rate, r.sensitivity) for r in read(path)])
            path.unlink()
        assert places[0] == places[1] != [], how


@pytest.mark.parametrize("broken", ["one in two", "empty batches", "after the value"])
def test_a_ledger_that_misses_releases_is_told_apart(
    broken: str, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, path = setup(True)
    sound = Ledger.append
    late: list[Release] = []

    def append(self: Ledger, release: Release) -> None:
        late.append(release)
        if broken == "one in two" and len(late) % 2:
            return
        if broken == "after the value":  # a run that dies has released one value more
            if len(late) > 1:
                sound(self, late[-2])
            return
        if broken == "empty batches":
            return
        sound(self, release)

    monkeypatch.setattr(Ledger, "append", append)
    with suppress(PrivacyError):
        several_per_step(method)
    assert len(method.received) > 0 and booked(path) != method.received


def test_a_value_whose_line_cannot_be_written_is_not_handed_out(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, path = setup(False)
    sound = Path.open

    def full(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self == path and len(method.received) == 2:
            raise OSError(28, "No space left on device")
        return sound(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StoreError, match="nothing was released"):
        plain(method)
    monkeypatch.undo()
    assert booked(path) == method.received and len(method.received) == 2


def test_loop_kept_open_after_a_step_without_release_is_silent(setup: Setup) -> None:
    """A loop that is kept open after a step without release is silent.

    next(run.poisson(…)), and the generator kept: nothing is booked, and records were seen.
    """
    method, _ = setup(False)
    kept = method.loop()
    step = next(kept)
    assert step.records.inputs()[0].any()
    assert method.run.silent


def test_the_booked_rate_is_the_rate_at_which_was_drawn(setup: Setup) -> None:
    method, path = setup(False)
    with pytest.raises(PrivacyError, match="not the one that was drawn at this rate"):
        for step in method.loop(rate=0.5, steps=1):
            method.release(replace(step, rate=1e-6))
    assert booked(path) == [] and method.run.silent
