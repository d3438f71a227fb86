"""What an encoder's max_length cuts: public is the length, private how many reports it cuts."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radpriv.benchmark.canary_spec import Planting
from radpriv.benchmark.cell import AuditPolicy
from radpriv.benchmark.datasets.audit_set.universe import Universe, draw
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.classifier import FrozenPart, Pooled
from radpriv.benchmark.runs import truncation
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.runs.truncation import (
    FILE,
    HIGH,
    TokenCount,
    Truncation,
    line,
    measure,
    note,
)
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.suites.job import Job


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(truncation, "_reported", set())
    yield


def policy(dataset: Dataset, release: str) -> Dataset:
    return replace(dataset, card=replace(dataset.card, release=release))


def universe_of(dataset: Dataset) -> Universe:
    return draw(dataset, AuditPolicy(share=0.5), b"audit", 30, 0)


def long_report(made_up: Dataset) -> Dataset:
    """600 tokens in one training report; the only positive mention stands in the last 40."""
    row = int(made_up.rows("train")[0])
    words = ["lungs"] * 558 + ["effusion"] * 40
    texts = [" ".join(words)]
    return replace(
        made_up,
        ids=("r",), patients=("p",), splits=("train",), texts=tuple(texts), y=made_up.y[[row]],
    )  # fmt: skip


def test_report_of_600_tokens_is_one_in_one_and_its_end_unseen(
    made_up: Dataset, tiny_bert: Encoder
) -> None:
    """A report of 600 tokens is one of one, and its end is never seen."""
    dataset = long_report(made_up)
    universe = replace(universe_of(dataset), member=np.array([True]))
    assert TokenCount(tiny_bert)(dataset.texts[0]) == 600
    whole, end = dataset.texts[0], dataset.texts[0].replace("effusion", "clear")
    for length in (32, 64):
        for function in (Pooled(tiny_bert, length), FrozenPart(tiny_bert, 1, length)):
            found = measure(function, universe, FeatureCache(None))
            assert found == Truncation(tiny_bert.name, length, 1, 1) and found.share == 1.0
            np.testing.assert_array_equal(function(whole), function(end))
    assert Pooled(tiny_bert, 32).key != Pooled(tiny_bert, 64).key
    assert FrozenPart(tiny_bert, 1, 32).key != FrozenPart(tiny_bert, 1, 64).key


@given(st.integers(3, 40))
def test_truncated_share_is_of_training_and_exact_at_the_limit(
    made_up: Dataset, tiny_bert: Encoder, length: int
) -> None:
    """The share is of what is trained on and exact at the limit."""
    universe = universe_of(made_up)
    assert 0 < universe.member.sum() < len(universe.member)
    read = [  # special tokens at both ends; a text has as many tokens as words
        len(text.split()) + 2 for text, there in zip(universe.texts, universe.member) if there
    ]
    found = measure(Pooled(tiny_bert, length), universe, FeatureCache(None))
    assert found is not None
    assert (found.reports, found.cut) == (len(read), sum(n > length for n in read))


def test_one_count_of_tokens_serves_every_length(
    made_up: Dataset, tiny_bert: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    count = Encoder.count
    monkeypatch.setattr(Encoder, "count", lambda e, text: (counted.append(text), count(e, text))[1])
    universe, cache = universe_of(made_up), FeatureCache(None)
    found = [measure(Pooled(tiny_bert, n), universe, cache) for n in (8, 16, 32)]
    assert counted == list(universe.texts)
    shares = [f.share for f in found if f]
    assert shares == sorted(shares, reverse=True) and shares[0] > shares[-1] == 0.0


def test_what_reads_texts_whole_has_no_share(made_up: Dataset, tmp_path: Path) -> None:
    universe = universe_of(made_up)
    for function in (HashedWords(64, 1, True), None):
        note(function, universe, made_up, FeatureCache(None), tmp_path)
    assert not list(tmp_path.iterdir())


def test_open_data_get_a_warning_above_the_stated_share(made_up: Dataset) -> None:
    """Open data get a warning with the figure above the stated share."""
    above = line(Truncation("minilm", 256, 1000, 512), made_up)
    assert above is not None and above.count("\n") == 0
    assert above.startswith("made-up: 51% of the training reports are longer than 256 tokens (mini")
    assert line(Truncation("minilm", 512, 1000, 41), made_up) is None
    assert line(Truncation("minilm", 512, 100, int(HIGH * 100)), made_up) is None
    assert line(Truncation("minilm", 512, 100, int(HIGH * 100) + 1), made_up) is not None


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from(["aggregates", "nothing"]))
def test_gated_data_get_the_same_line_whatever_the_share_is(
    made_up: Dataset, reports: int, cut: int, release: str
) -> None:
    gated = policy(made_up, release)
    told = line(Truncation("minilm", 256, reports, min(reports, cut)), gated)
    assert told == line(Truncation("minilm", 256, 7, 0), gated)
    assert told is not None and "private/truncation.json" in told and "%" not in told


def test_no_figure_is_in_a_representation_of_it() -> None:
    assert repr(Truncation("minilm", 256, 8191, 4211)) == (
        "Truncation(encoder='minilm', max_length=256)"
    )


def test_it_is_kept_and_told_once(
    made_up: Dataset, tiny_bert: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    universe, cache = universe_of(made_up), FeatureCache(None)

    def noted(length: int, dataset: Dataset) -> tuple[dict[str, Any], str]:
        note(Pooled(tiny_bert, length), universe, dataset, cache, tmp_path)
        out, err = capsys.readouterr()
        assert out == ""
        return json.loads((tmp_path / FILE).read_text()), err

    found, told = noted(12, made_up)
    assert found["max_length"] == 12 and found["encoder"] == tiny_bert.name
    assert found["share"] == found["cut"] / found["reports"] > HIGH
    assert f"{found['share']:.0%}" in told and told.count("\n") == 1
    assert noted(12, made_up) == (found, "")  # another cell of the same
    assert noted(16, made_up)[1] != ""
    assert noted(40, made_up) == ({**found, "max_length": 40, "cut": 0, "share": 0.0}, "")
    gated = replace(policy(made_up, "aggregates"), name="gated")
    first, second = noted(12, gated)[1], noted(40, gated)[1]
    assert first.replace(" 12 ", " 40 ") == second and first.count("\n") == 1


def test_cell_keeps_its_share_private_and_its_length_recorded(
    jobs_of: Callable[..., list[Job]],
    how: Fingerprint,
    context: Context,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A cell keeps the share in private and the length in its record."""
    jobs = jobs_of("linear_probe", "dp_lora", "prior", "tfidf")
    told, ids = "", set()
    for job in (j for j in jobs if j.role == "cell"):
        found = run_cell(job, how, context)
        told += capsys.readouterr().err
        kept, longest = found.folder / "private" / FILE, job.cell.params.get("max_length")
        assert kept.exists() == (longest is not None)
        if longest is None:
            continue
        inside = json.loads(kept.read_text())
        assert inside["max_length"] == found.record.cell.params["max_length"] == longest
        universe = job.universe(job.dataset(None))
        assert inside["reports"] == universe.member.sum() and HIGH < inside["share"] < 1
        assert stat.S_IMODE(kept.stat().st_mode) == 0o400
        public = [p for p in found.folder.rglob("*") if p.is_file() and p.parent != kept.parent]
        shown = b"".join(p.read_bytes() for p in public)
        assert public and repr(inside["share"]).encode() not in shown and b'"cut"' not in shown
        longer = replace(job.cell, params={**job.cell.params, "max_length": 64})
        ids |= {job.cell.id, longer.id}
    assert told.count("of the training reports are longer than 32 tokens") == 1
    assert len(ids) == 4


def test_planted_texts_do_not_thin_the_share(made_up: Dataset, tiny_bert: Encoder) -> None:
    """Canaries are short: many of them would push it under what is warned of."""
    function = Pooled(tiny_bert, 12)
    crafted = AuditPolicy(share=0.5, planted=(Planting("rare-token", 20),))
    plain = measure(function, universe_of(made_up), FeatureCache(None))
    with_canaries = measure(function, draw(made_up, crafted, b"audit", 30, 0), FeatureCache(None))
    assert plain == with_canaries
