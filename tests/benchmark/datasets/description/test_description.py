"""A description as a whole: names, verdicts, what it never holds; equal for equal data."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radpriv.benchmark.datasets.base import Card, Dataset, datasets, make_loader
from radpriv.benchmark.datasets.description import token_counts
from radpriv.benchmark.datasets.description.cues import CUES
from radpriv.benchmark.datasets.description.described_values import OPENI, OPENI_VALUES
from radpriv.benchmark.datasets.description.description import describe
from radpriv.benchmark.datasets.description.text_counts import measure
from radpriv.benchmark.datasets.openi.openi_reference import published_texts
from radpriv.benchmark.datasets.openi.openi_sources import find_source, read_source
from radpriv.benchmark.datasets.reference_figures import Published
from radpriv.errors import DataError, EncoderError

MARKER = "zyzzyvaquux"
CARD = Card("made up", "none", "none", "aggregates", "by hand")
MakeDataset = Callable[..., Dataset]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> MakeDataset:
    """Datasets of n reports, two or three of a patient; a tokenizer that is not there."""

    def absent(name: str) -> None:
        raise EncoderError(f"encoder '{name}' is not installed")

    monkeypatch.setattr(token_counts, "resolve", absent)

    def made(n: int = 60, **changes: object) -> Dataset:
        rng = np.random.default_rng(n)
        y = (rng.random((n, 3)) < (0.5, 0.2, 0.0)).astype(np.float32)
        y[::7, 1] = np.nan
        words = ["heart", "lungs", "clear", "no", "opacity", "may", "be", MARKER]
        texts = tuple(f"{' '.join(rng.choice(words, 6))}. Normal {i % 9}." for i in range(n))
        dataset = Dataset(
            name="made-up",
            labels=("a", "b", "c"),
            card=CARD,
            ids=tuple(f"r{i:04d}" for i in range(n)),
            patients=tuple(f"p{i // 3:04d}" for i in range(n)),
            splits=tuple("test" if i // 3 % 5 == 0 else "train" for i in range(n)),
            texts=texts,
            y=y,
            counts={"kept": n, "left_out": 3},
        )
        return replace(dataset, **changes)

    return made


def test_equal_data_give_equal_json_without_nan_or_any_word(
    make: MakeDataset,
) -> None:
    """Equal data give equal JSON without NaN and without a word of the texts."""
    found = describe(make(), (), {"size": 60})
    text = json.dumps(found.as_dict(), allow_nan=False, ensure_ascii=False)
    assert text == json.dumps(describe(make(), (), {"size": 60}).as_dict(), ensure_ascii=False)
    for private in (MARKER, "heart", "opacity", "r0003", "p0003"):
        assert private not in text and private not in repr(found)
    plain = json.loads(text)
    assert plain["phi"][0][2] is None and plain["values"]["tokens/p50"] is None
    assert plain["options"] == {"size": 60} and plain["card"]["release"] == "aggregates"


def test_every_number_has_the_name_that_published_figures_use(make: MakeDataset) -> None:
    found = describe(make()).figures()
    data = make()
    assert found["reports"] == 60 and found["patients"] == 20
    assert found["split/test"] == pytest.approx(np.mean([s == "test" for s in data.splits]))
    assert found["positive/a"] == pytest.approx(float((data.y[:, 0] == 1).mean()))
    assert found["unobserved/b"] == pytest.approx(9 / 60)
    assert found["no_positive"] == pytest.approx(float((~(data.y == 1).any(1)).mean()))
    assert found["phi/a/b"] == found["phi/b/a"] and math.isnan(found["phi/a/c"])
    assert found["counts/left_out"] == 3 and found["counted/left_out"] == 0.05
    assert found["words/mean"] == pytest.approx(np.mean([len(t.split()) for t in data.texts]))
    assert found["reports_per_patient/p50"] == 3
    assert found["cue/normal"] == 1.0
    assert found["cue_rate/normal"] == pytest.approx(
        1000 * 60 / sum(len(t.split()) for t in data.texts)
    )
    documented = ("unique_reports/at/3927", "vocabulary_once", "tokens_over/256", "words/p99",
                  "sentences/p5", "hedged_reports", "duplicates/crossing")  # fmt: skip
    assert set(documented) <= set(found)


def test_repetition_is_seen_in_reports_sentences_and_near_copies(make: MakeDataset) -> None:
    long = "the heart and the lungs and the bones are all of normal size and shape today"
    texts = [f"{long} {i}." for i in range(60)]
    texts[1], texts[2] = texts[0].upper(), texts[0]
    found = describe(make(texts=tuple(texts))).figures()
    assert found["unique_reports"] == pytest.approx(58 / 60)
    assert found["duplicates/copied"] == pytest.approx(3 / 60)
    assert found["duplicates/near"] == 1.0 and found["duplicates/crossing"] == 1.0
    assert math.isnan(found["unique_reports/at/3927"])
    once = describe(
        make(texts=tuple(f"{'abcdefghij'[i % 10] * (i // 10 + 1)} {i}" for i in range(60)))
    )
    assert once.figures()["duplicates/near"] == 0.0


def test_repetition_at_openi_size_is_what_a_sample_would_show(
    make: MakeDataset,
) -> None:
    """Repetition at the size of Open-i is what a sample of it would show."""
    n = 5000
    texts = tuple(f"report {i % 2500} is clear" for i in range(n))  # each text twice
    ids, patients = tuple(f"r{i:05d}" for i in range(n)), tuple(f"p{i:05d}" for i in range(n))
    y = np.zeros((n, 1), np.float32)
    data = Dataset("made-up", ("a",), CARD, ids, patients, ("train",) * n, texts, y)
    found = describe(data).figures()
    rng = np.random.default_rng(0)
    drawn = [len({texts[i] for i in rng.permutation(n)[:3927]}) / 3927 for _ in range(40)]
    assert found["unique_reports"] == 0.5
    assert found["unique_reports/at/3927"] == pytest.approx(np.mean(drawn), abs=0.002)


@pytest.mark.parametrize(
    ("tolerance", "verdict"),
    [(0.011, "within tolerance"), (0.009, "outside tolerance"), (None, "no tolerance given")],
)
def test_a_published_figure_gets_its_verdict(
    make: MakeDataset, tolerance: float | None, verdict: str
) -> None:
    share = describe(make()).figures()["positive/a"]
    (compared,) = describe(
        make(), [Published("positive/a", share + 0.01, tolerance, "x")]
    ).published
    assert (compared.measured, compared.verdict) == (share, verdict)


def test_unmeasured_figure_is_neither_met_nor_missed(make: MakeDataset) -> None:
    """A figure that could not be measured is neither met nor missed."""
    figures = [Published("phi/c/a", 0.0, 0.1, "x"), Published("tokens/p50", 9, 1, "x")]
    found = describe(make(), figures).published
    assert [(c.measured, c.verdict) for c in found] == [(None, "not measured")] * 2


def test_openi_with_its_copies_gives_the_figures_beside_others(
    real_data: Path,
) -> None:
    """Open-i before its copies are collapsed gives the figures beside all others."""
    reports = read_source(find_source(real_data))
    texts = [" ".join(x for x in (r.findings, r.impression) if x.strip()) for r in reports]
    found = measure(t for t in texts if t.strip())
    assert len(found) == OPENI
    assert sum(found.vocabulary.values()) == OPENI_VALUES.vocabulary
    assert sum(found.text_reports.values()) / OPENI == OPENI_VALUES.unique_reports
    sentences = sum(found.sentence_reports.values()) / found.sentences.sum()
    assert sentences == OPENI_VALUES.unique_sentences
    known = {p.figure: p.value for p in published_texts()}
    shares = dict(zip(CUES, found.cue_reports / OPENI))
    assert shares["no evidence of"] == pytest.approx(known["cue/no evidence of"], abs=1e-4)
    assert shares["suggest"] == pytest.approx(known["cue/suggest"], abs=1e-4)
    assert found.words.mean() == pytest.approx(known["words/mean"], abs=0.5)
    assert found.sentences.mean() == pytest.approx(known["sentences/mean"], abs=0.05)
    denied = found.denied[0] / found.sentences.sum()
    assert denied == pytest.approx(known["negated_sentences"], abs=0.005)


def test_a_bound_of_the_tolerance_counts_as_within() -> None:
    assert Published("x", 0.3, 0.1, "y").verdict(0.4) == "within tolerance"
    assert Published("x", 0.3, 0.1, "y").verdict(0.2) == "within tolerance"
    assert Published("x", 0.3, 0.1, "y").verdict(0.4001) == "outside tolerance"


def test_misspelt_published_figure_and_empty_dataset_are_errors(make: MakeDataset) -> None:
    """A misspelt published figure and an empty dataset are errors."""
    with pytest.raises(DataError, match=r"'positive/Aa'.*did you mean 'positive/a'"):
        describe(make(), [Published("positive/Aa", 0.1, None, "x")])
    with pytest.raises(DataError, match="no report"):
        describe(make(n=0))
    for wrong in ((math.nan, None, "x"), (0.1, -1.0, "x"), (0.1, None, "")):
        with pytest.raises(DataError, match="published figure 'words/p50'"):
            Published("words/p50", *wrong)


def test_published_names_of_shipped_loaders_are_known(
    make: MakeDataset,
) -> None:
    """What the shipped loaders publish has names that a description knows."""
    publish = 0
    for name in datasets.names():
        kind = datasets.get(name)
        if not kind.labels or not kind.__module__.startswith("radpriv."):
            continue
        loader = make_loader(name, {})
        y = np.zeros((60, len(loader.labels)), np.float32)
        found = describe(make(name=name, labels=loader.labels, y=y), loader.published())
        assert len(found.published) == len(loader.published())
        publish += len(found.published) > 0
    assert publish >= 4


def test_tokens_are_counted_with_the_tokenizer_where_it_is(
    make: MakeDataset, monkeypatch: pytest.MonkeyPatch, tiny_bert: object
) -> None:
    dataset = make()
    monkeypatch.setattr(token_counts, "resolve", lambda name: tiny_bert)
    counted = token_counts.token_lengths(dataset.texts)
    tokenizer = tiny_bert.tokenizer  # type: ignore[attr-defined]
    assert counted is not None
    assert counted.tolist() == [len(tokenizer(t)["input_ids"]) for t in dataset.texts]
    assert describe(dataset).figures()["tokens/mean"] == pytest.approx(counted.mean())


def test_options_that_are_tuples_are_lists(made_up: Dataset) -> None:
    """As a file holds them: a loader's option may be a tuple."""
    assert describe(made_up, (), {"labels": ("a", "b")}).options == {"labels": ["a", "b"]}
