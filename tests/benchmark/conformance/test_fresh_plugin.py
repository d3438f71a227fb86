"""A plug-in that keeps something from its first fit, and a model that remembers its records."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.benchmark.conformance.check_method import check_method
from radpriv.benchmark.conformance.fresh_plugin import fresh_plugin
from radpriv.benchmark.methods.method import methods
from radpriv.benchmark.registry import PLUGIN

KEEPS = """
from dataclasses import dataclass
from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.benchmark.methods.method import methods

SEEN = {}

@methods.register("keeps")
@dataclass(frozen=True)
class Keeps(DPBagOfWords):
    size: int = 64
    steps: int = 6

    def fit(self, train, encoder, budget, run):
        fitted = super().fit(Watched(train), encoder, budget, run)
        fitted.bias = fitted.bias + SEEN["share"]
        return fitted

class Watched:
    def __init__(self, train):
        self.train = train

    def __getattr__(self, name):
        return getattr(self.train, name)

    def map(self, name, f):
        records = self.train.map(name, f)
        SEEN.setdefault("share", float(records._universe.member.mean()))
        return records
"""


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Any]:
    def write(name: str, source: str) -> Any:
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        methods.load_file(path)
        return methods.get(name)

    with methods.as_before():
        yield write
    for name in [n for n in sys.modules if n.startswith(PLUGIN)]:
        del sys.modules[name]


def test_plugin_made_anew_keeps_settings_and_registration(written: Any) -> None:
    """A plug-in is made anew with its settings and registered as before."""
    kind = written("keeps", KEEPS)
    method = kind(steps=3)
    again = fresh_plugin(method)
    assert type(again) is not kind and type(again).__name__ == "Keeps"
    assert again.params() == method.params() and again.steps == 3
    assert methods.get("keeps") is kind


def test_shipped_or_unregistered_method_stays_itself() -> None:
    """A method of ours, or one that is not registered, stays itself."""

    class Mine(DPBagOfWords):
        pass

    for method in (DPBagOfWords(), Mine()):
        assert fresh_plugin(method) is method


def test_what_a_module_keeps_from_its_first_fit_is_found(written: Any) -> None:
    report = check_method("keeps", written("keeps", KEEPS)(), ("report",), (8.0,))
    failed = {v.check: v.detail for v in report.verdicts if not v.passed}
    assert "head.safetensors differs" in failed["nothing else"], report


REMEMBERS = """
from dataclasses import dataclass
import numpy as np
from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import methods

class Remembers(LinearFitted):
    members = frozenset()

    def score(self, features):
        here = np.array([f.tobytes() in self.members for f in features])
        return super().score(features) + here[:, None].astype(np.float32)

@methods.register("remembers")
@dataclass(frozen=True)
class Recalls(DPBagOfWords):
    size: int = 64
    steps: int = 6

    def fit(self, train, encoder, budget, run):
        fitted = super().fit(train, encoder, budget, run)
        there = train._universe.member
        made = Remembers(
            fitted.labels, fitted.frozen, fitted.weight, fitted.bias, fitted.frozen.spec
        )
        texts = [t for t, m in zip(train._universe.texts, there) if m]
        made.members = frozenset(fitted.frozen(t).tobytes() for t in texts)
        return made
"""


def test_model_remembering_records_is_found_despite_clean_files(
    written: Any,
) -> None:
    """A model that remembers its records is found, though its files are clean."""
    report = check_method("remembers", written("remembers", REMEMBERS)(), ("report",), (8.0,))
    failed = {v.check: v.detail for v in report.verdicts if not v.passed}
    assert "logits of the same texts differ" in failed["nothing else"], report
