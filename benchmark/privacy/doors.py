"""Doors: what `train` and `run` answer where a method asks them for something else.

An attribute that neither has is an AttributeError, as everywhere, whose sentence names what there
is. It never repeats the name that was asked for, which may be a word of a report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from radpriv.benchmark.registry import did_you_mean
from radpriv.errors import DoorError

_RAW = "train.raw() gives the members themselves, and voids the certificate"
_MAP = "train.map(name, f) takes a public function of each text"
_STEPS = "take `for step in run.poisson(records, rate, steps, state)`, or `with run.once(records)`"

ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "train": {
        **dict.fromkeys(("text", "texts", "reports", "words"), f"{_MAP}; {_RAW}"),
        **dict.fromkeys(("x", "X", "features", "embeddings"), _MAP),
        **dict.fromkeys(("y", "targets"), f"step.records.labels has those of a sample; {_RAW}"),
        **dict.fromkeys(("records", "rows", "samples", "batches"), f"{_MAP}; then {_STEPS}"),
        **dict.fromkeys(("size", "n", "count"), "train.n_public is the constant that is public"),
    },
    "run": {
        **dict.fromkeys(("sample", "step", "steps", "batch", "batches", "records"), _STEPS),
        **dict.fromkeys(("gaussian", "release"), "a step has it: step.gaussian(name, sum, sigma)"),
        **dict.fromkeys(("epsilon", "delta", "unit"), "run.budget has it"),
        **dict.fromkeys(("seed", "generator", "random"), "run.rng(name) is public randomness"),
    },
}
"""By door: what methods look for in vain, and where it lies."""


class Doors:
    """Base of both. _door: how `fit` calls it, a key of ELSEWHERE."""

    _door: ClassVar[str]

    if not TYPE_CHECKING:  # to a type checker an unknown attribute stays one

        def __getattr__(self, name: str) -> object:
            doors = sorted(n for n in (*dir(type(self)), *vars(self)) if not n.startswith("_"))
            if name.startswith("_") or name in doors:  # copying, pickling, a property that failed
                raise AttributeError(f"'{type(self).__name__}' object has no such attribute")
            if hint := ELSEWHERE[self._door].get(name, ""):
                head = f"`{self._door}` has no '{name}': {hint}"
            else:
                head = f"`{self._door}` has no such attribute{did_you_mean(name, doors)}"
            raise DoorError(f"{head} (it has {', '.join(doors)})")
