"""Texts and features of the candidates and test records, and whether they are the right ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from radpriv.attacks.attack import NEEDS
from radpriv.attacks.inputs import auxiliary_data as sources_module
from radpriv.attacks.inputs.build_view import NotApplicable, Origins
from radpriv.attacks.inputs.cell_outputs import load, open_cell
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.methods.classifier import Pooled
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.job import Job
from radpriv.errors import AttackError, DataError

from .attacked_store import HOW, METHODS, World, damaged


def texts_by_hand(world: World, job: Job) -> tuple[list[str], list[str]]:
    """Texts of candidates by slot and of test records by id, row by row of the dataset."""
    dataset = job.dataset(None)
    universe = job.universe(dataset)
    own = [universe.texts[i] for i in range(len(universe)) if universe.candidate[i]]
    return own, [dataset.texts[i] for i in range(len(dataset)) if dataset.splits[i] == "test"]


def test_it_is_what_views_ask_for(world: World) -> None:
    origins: Origins = world.sources()
    assert all(callable(getattr(origins, need)) for need in NEEDS)


def test_texts_are_the_records_that_the_stored_logits_are_of(world: World) -> None:
    """The saved model gives for each text the logits that stand in its row."""
    for method in METHODS:
        outputs = world.outputs(method)
        found = world.sources()
        own, others = found.texts(outputs)
        query = found.query(outputs)
        np.testing.assert_allclose(query(own), outputs.logits, atol=2e-5)
        np.testing.assert_allclose(query(others), outputs.population.logits, atol=2e-5)
        by_hand = texts_by_hand(world, world.job(method))
        assert list(own) == by_hand[0] and sorted(others) == sorted(by_hand[1])
        assert query([]).shape == (0, outputs.logits.shape[1])
    assert world.outputs("tfidf").population.logits.std(0).min() > 1e-3  # so an order shows


def test_features_are_the_untuned_encoders_in_order(world: World) -> None:
    """Features are those of the encoder before training, in order."""
    outputs, job = world.outputs("dp_lora"), world.job("dp_lora")
    own, others = world.sources().features(outputs)
    texts, of_others = world.sources().texts(outputs)
    assert job.encoder is not None
    pooled = Pooled(job.encoder, 32)
    np.testing.assert_allclose(own, [pooled(t) for t in texts], atol=1e-5)
    np.testing.assert_allclose(others, [pooled(t) for t in of_others], atol=1e-5)
    assert own.dtype == others.dtype == np.float32
    same = world.sources().features(world.outputs("dp_lora", 1))
    np.testing.assert_array_equal(own, same[0])


def test_method_without_encoder_has_hashed_words(world: World) -> None:
    """A method without an encoder has hashed words as features."""
    outputs = world.outputs("tfidf")
    own, others = world.sources().features(outputs)
    assert own.shape == (len(outputs.slots), 1024) and others.shape[1] == 1024
    np.testing.assert_allclose(np.linalg.norm(own, axis=1), 1, atol=1e-6)
    texts = world.sources().texts(outputs)[0]
    shared = [len(set(texts[0].split()) & set(t.split())) for t in texts[1:]]
    likeness = own[1:] @ own[0]
    assert likeness[int(np.argmax(shared))] > likeness[int(np.argmin(shared))]


def test_families_of_one_dataset_read_it_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    drawn = sources_module.draw_again
    monkeypatch.setattr(
        sources_module,
        "draw_again",
        lambda *a: calls.append(a) or drawn(*a),  # type: ignore[func-returns-value]
    )
    found = world.sources()
    for method, seed in (("dp_lora", 0), ("dp_lora", 1), ("tfidf", 0), ("dp_lora", 0)):
        found.texts(world.outputs(method, seed))
        found.features(world.outputs(method, seed))
    assert len(calls) == 1


def test_without_the_data_the_reason_says_where_it_belongs(world: World) -> None:
    outputs = world.outputs("dp_lora")

    def absent() -> dict[str, Job]:
        raise DataError("openi: no such file")

    for jobs, why in ((absent, "openi: no such file"), ({}, "no such cell")):
        found = world.sources(jobs=jobs)
        for need in NEEDS - {"projections"}:
            reason = found.available(need, outputs)
            assert "--data" in reason and why in reason and "\n" not in reason
        assert found.available("projections", outputs) == ""
        with pytest.raises(NotApplicable, match="--data"):
            found.texts(outputs)


def test_jobs_are_made_when_they_are_first_needed_and_once(world: World) -> None:
    made = []
    found = world.sources(jobs=lambda: made.append(1) or world.jobs)  # type: ignore[func-returns-value]
    found.projections(world.outputs("dp_lora"))
    assert made == []
    found.texts(world.outputs("dp_lora"))
    found.texts(world.outputs("tfidf"))
    assert made == [1]


def test_records_of_other_data_are_refused_with_their_file(world: World, tmp_path: Path) -> None:
    """Candidates and test records of other data are refused with their file."""
    outputs = damaged(world, tmp_path)
    swapped = (outputs.record[1], outputs.record[0], *outputs.record[2:])
    with pytest.raises(AttackError, match=r"candidates\.parquet: its candidates are not"):
        world.sources().texts(replace(outputs, record=swapped))
    path = outputs.cell.folder / "test.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(AttackError, match=r"test\.parquet: its records are not"):
        world.sources().texts(outputs)
    path.write_bytes(b"PAR1")
    with pytest.raises(AttackError, match=r"test\.parquet: cannot be read"):
        world.sources().texts(outputs)


def test_gated_data_is_matched_under_the_stores_secret(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.job("prior")
    gated = replace(type(job.loader).card, release="aggregates")
    monkeypatch.setattr(type(job.loader), "card", gated)
    loaded = job.loader.load(None)
    monkeypatch.setattr(type(job.loader), "load", lambda self, data: replace(loaded, card=gated))
    from radpriv.benchmark.suites import job as job_module

    job_module._load.cache_clear()
    store = Store(tmp_path / "store")
    done = run_cell(job, HOW, Context(store, FeatureCache(None), None))
    outputs = load(open_cell(done.folder))
    found = world.sources(store=store, jobs={job.cell.id: job})
    assert outputs.record != world.outputs("prior").record
    assert found.texts(outputs)[0] == world.sources().texts(world.outputs("prior"))[0]
    assert sum(s is not None for s in found.secrets(outputs)) == 10
    job_module._load.cache_clear()
