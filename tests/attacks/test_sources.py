"""What attacks may ask for beside stored scores, on cells that were really run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from radpriv.attacks import sources as sources_module
from radpriv.attacks.files import CellFiles, Outputs, load
from radpriv.attacks.registry import NEEDS
from radpriv.attacks.sources import Sources
from radpriv.attacks.views import NotApplicable, Origins
from radpriv.benchmark.classifier import Pooled
from radpriv.benchmark.datasets.audit import prf
from radpriv.benchmark.datasets.canaries import secret_of
from radpriv.benchmark.expansion import expand
from radpriv.benchmark.features import FeatureCache
from radpriv.benchmark.fingerprint import Fingerprint
from radpriv.benchmark.fitted import LoraFitted
from radpriv.benchmark.job import Job
from radpriv.benchmark.runner import Context, run_cell
from radpriv.benchmark.store import Store
from radpriv.benchmark.suite import read_suite
from radpriv.errors import AttackError, DataError

HOW = Fingerprint({"made.up": "00"}, {}, {"numpy": "2"}, "3.11", "cpu", "float32")
CANARIES = """[
  {kind = "rare-token", count = 3}, {kind = "secret", count = 4, space = 100},
  {kind = "secret", count = 2, copies = 3, space = 1000}, {kind = "gradient", count = 5}]
"""
METHODS = ("dp_lora", "lora", "linear_probe", "tfidf", "prior")


@dataclass(frozen=True)
class World:
    """A store of finished cells, and the jobs that they are of."""

    store: Store
    jobs: dict[str, Job]
    folders: dict[tuple[str, int], Path]

    def sources(self, **changes: Any) -> Sources:
        values = {"store": self.store, "data": None, "jobs": self.jobs, "cache": FeatureCache(None)}
        return Sources(**{**values, **changes})

    def outputs(self, method: str, seed: int = 0) -> Outputs:
        return load(CellFiles.open(self.folders[method, seed]))

    def job(self, method: str, seed: int = 0) -> Job:
        return self.jobs[self.outputs(method, seed).cell.cell_id]


@pytest.fixture(scope="module")
def world(write_suite: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> World:
    suite = read_suite(str(write_suite(*METHODS, seeds="2", canaries=" ".join(CANARIES.split()),
                                       control="false")))  # fmt: skip
    jobs = [j for j in expand(suite, None) if j.cell.seed == 0 or j.cell.method == "dp_lora"]
    root = tmp_path_factory.mktemp("sources")
    context = Context(Store(root / "store"), FeatureCache(root / "cache"), None)
    folders = {(j.cell.method, j.cell.seed): run_cell(j, HOW, context).folder for j in jobs}
    return World(context.store, {j.cell.id: j for j in jobs}, folders)


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


def test_features_are_those_of_the_encoder_before_training_in_order(world: World) -> None:
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


def test_a_method_without_an_encoder_has_hashed_words_as_features(world: World) -> None:
    outputs = world.outputs("tfidf")
    own, others = world.sources().features(outputs)
    assert own.shape == (len(outputs.slots), 1024) and others.shape[1] == 1024
    np.testing.assert_allclose(np.linalg.norm(own, axis=1), 1, atol=1e-6)
    texts = world.sources().texts(outputs)[0]
    shared = [len(set(texts[0].split()) & set(t.split())) for t in texts[1:]]
    likeness = own[1:] @ own[0]
    assert likeness[int(np.argmax(shared))] > likeness[int(np.argmin(shared))]


def logits_by_hand(outputs: Outputs, job: Job, texts: tuple[str, ...], **keep: bool) -> np.ndarray:
    """By the parts of the model alone. adapters, head: whether the trained ones are used."""
    fitted = LoraFitted.load(outputs.cell.folder / "model", job.encoder)
    classifier = fitted.model.base_model.model
    head = classifier.head.modules_to_save["default"]
    plain = job.encoder.model().eval()  # type: ignore[union-attr]
    encoder = classifier.encoder.eval() if keep["adapters"] else plain
    rows = []
    with torch.inference_mode():
        for text in texts:
            ids = torch.tensor([job.encoder.tokens(text, 32)])  # type: ignore[union-attr]
            hidden = encoder(input_ids=ids).last_hidden_state[0].mean(0)
            pooled = torch.nn.functional.layer_norm(hidden, hidden.shape)
            weight = head.weight if keep["head"] else torch.zeros_like(head.weight)
            bias = head.bias if keep["head"] else torch.zeros_like(head.bias)
            rows.append((weight @ (pooled - classifier.center) + bias).numpy())
    return np.array(rows)


@pytest.mark.parametrize("method", ["lora", "dp_lora"])
def test_untuned_is_the_trained_head_on_the_encoder_as_it_came(world: World, method: str) -> None:
    outputs, job = world.outputs(method), world.job(method)
    found = world.sources()
    own, others = found.untuned(outputs)
    texts, of_others = found.texts(outputs)
    expected = logits_by_hand(outputs, job, texts, adapters=False, head=True)
    np.testing.assert_allclose(own, expected, atol=1e-4)
    np.testing.assert_allclose(
        others, logits_by_hand(outputs, job, of_others, adapters=False, head=True), atol=1e-4
    )
    np.testing.assert_allclose(found.query(outputs)(texts, untuned=True), own, atol=1e-4)
    tuned = logits_by_hand(outputs, job, texts, adapters=True, head=True)
    np.testing.assert_allclose(tuned, outputs.logits, atol=1e-4)
    assert np.abs(own - tuned).max() > 1e-2  # the adapters had something to say
    assert np.abs(own).max() > 1e-2  # and so has the head, which PEFT's own switch would lose
    np.testing.assert_allclose(found.query(outputs)(texts), outputs.logits, atol=1e-4)


def test_many_texts_of_any_length_are_answered_in_their_order(world: World) -> None:
    outputs, found = world.outputs("lora"), world.sources()
    texts = list(found.texts(outputs)[1])
    texts = [t[: 10 + 37 * i % len(t)] for i, t in enumerate([*texts, *texts])] + ["", "the"]
    fitted = LoraFitted.load(outputs.cell.folder / "model", world.job("lora").encoder)
    assert len(texts) > 40
    np.testing.assert_allclose(found.query(outputs)(texts), fitted.logits(texts), atol=2e-5)
    before = found.untuned(outputs)[0].copy()
    found.query(outputs)(texts, untuned=True)
    np.testing.assert_array_equal(world.sources().untuned(outputs)[0], before)
    np.testing.assert_allclose(
        found.query(outputs)(found.texts(outputs)[0], untuned=True), before, atol=2e-5
    )


def test_what_does_not_apply_to_a_method_is_said_in_one_line(world: World) -> None:
    found = world.sources()
    for method in ("linear_probe", "tfidf", "prior"):
        outputs = world.outputs(method)
        for need, ask in (("untuned", found.untuned), ("encode", found.encode)):
            reason = found.available(need, outputs)
            assert "no encoder" in reason and "\n" not in reason
            with pytest.raises(NotApplicable, match="no encoder"):
                ask(outputs)
        for need in ("texts", "features", "query", "secrets"):
            assert found.available(need, outputs) == ""
    for method in ("tfidf", "lora", "linear_probe"):
        reason = found.available("projections", world.outputs(method))
        assert "released nothing" in reason
    assert all(found.available(need, world.outputs("dp_lora")) == "" for need in NEEDS)
    with pytest.raises(AttackError, match="'text': one of"):
        found.available("text", world.outputs("prior"))


def test_without_canaries_there_are_no_secrets_and_no_projections(world: World) -> None:
    outputs = world.outputs("dp_lora")
    natural = outputs.only(np.flatnonzero(np.array(outputs.kind) == "natural"))
    found = world.sources()
    assert "no secret canaries" in found.available("secrets", natural)
    assert "no gradient canaries" in found.available("projections", natural)


def test_hidden_states_are_those_of_the_tuned_encoder(world: World) -> None:
    outputs = world.outputs("lora")
    encode = world.sources().encode(outputs)
    ids = [encode.encoder.tokens("the heart is normal", encode.max_length)]
    assert encode(ids)[0].shape == (len(ids[0]), 16)
    assert np.abs(encode(ids)[0] - encode(ids, untuned=True)[0]).max() > 1e-3


def test_secrets_are_those_that_training_planted_and_copies_share_one(world: World) -> None:
    outputs, job = world.outputs("prior"), world.job("prior")
    found = world.sources()
    secrets, texts = found.secrets(outputs), found.texts(outputs)[0]
    kinds = [kind for kind, secret in zip(outputs.kind, secrets) if secret is not None]
    assert sorted(kinds) == ["secret"] * 4 + ["secret*3"] * 6
    for kind, secret, text in zip(outputs.kind, secrets, texts):
        assert (secret is not None) == kind.startswith("secret")
        if secret is not None:
            assert secret.text(secret.truth) == text
            assert secret.space == (100 if kind == "secret" else 1000)
            other = secret.text((secret.truth + 1) % secret.space)
            assert other != text and len(other) == len(text)
    owners: dict[str, set[int]] = {}
    for patient, secret in zip(outputs.patient, secrets):
        if secret is not None:
            owners.setdefault(patient, set()).add(id(secret))
    assert len(owners) == 6 and all(len(ids) == 1 for ids in owners.values())
    draw = partial(prf, job.audit_key)
    planting = next(p for p in job.cell.audit.planted if p.name == "secret*3")
    drawn = {secret_of(planting, n, draw) for n in range(2)}
    assert {s.truth for s, k in zip(secrets, outputs.kind) if s and k == "secret*3"} == drawn


def test_secrets_of_another_audit_key_are_refused(world: World) -> None:
    outputs = world.outputs("prior")
    job = replace(world.job("prior"), audit_key=b"another")
    with pytest.raises(AttackError, match="not those of the suite's audit key"):
        world.sources(jobs={outputs.cell.cell_id: job}).secrets(outputs)


def test_projections_stand_in_the_columns_of_gradient_canaries_with_their_noise(
    world: World,
) -> None:
    outputs = world.outputs("dp_lora")
    seen = world.sources().projections(outputs)
    folder = outputs.cell.folder
    ledger = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    assert seen.values.shape == (len(ledger), len(outputs.slots)) and len(ledger) == 4
    columns = [i for i, kind in enumerate(outputs.kind) if kind == "gradient"]
    rest = [i for i, kind in enumerate(outputs.kind) if kind != "gradient"]
    stored = pq.read_table(folder / "private" / "projections.parquet")["values"].to_pylist()
    np.testing.assert_array_equal(seen.values[:, columns], stored)
    assert not seen.values[:, rest].any() and len(columns) == 5
    for t, line in enumerate(ledger):
        assert seen.norm[t] == line["sensitivity"] == 1.0
        assert seen.sigma[t] == line["noise_multiplier"] * line["sensitivity"]
        assert seen.rate[t] == line["rate"] == 0.5


def test_a_bound_that_was_declared_adds_no_canary(
    write_suite: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_suite("dp_linear_probe", control="false", epsilons="[1.0]",
                       canaries='[{kind = "gradient", count = 4}]')  # fmt: skip
    solver = path.read_text().replace('solver = "sgd", steps = 6', 'solver = "output"')
    path.write_text(solver)
    (job,) = expand(read_suite(str(path)), None)
    store = Store(tmp_path / "store")
    done = run_cell(job, HOW, Context(store, FeatureCache(None), None))
    assert done.record["declared"]
    seen = Sources(store, None, {job.cell.id: job}, FeatureCache(None)).projections(
        load(CellFiles.open(done.folder))
    )
    assert (seen.norm == 0).all() and (seen.sigma > 0).all() and len(seen.norm) >= 1


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


def damaged(world: World, tmp_path: Path, method: str = "prior") -> Outputs:
    folder = shutil.copytree(world.folders[method, 0], tmp_path / "cell", copy_function=shutil.copy)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700)
    return load(CellFiles.open(folder))


def test_candidates_and_test_records_of_other_data_are_refused_with_their_file(
    world: World, tmp_path: Path
) -> None:
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


@pytest.mark.parametrize("name", ["projections.parquet", "ledger.jsonl"])
def test_releases_that_are_not_the_ledgers_are_refused(
    world: World, tmp_path: Path, name: str
) -> None:
    outputs = damaged(world, tmp_path, "dp_lora")
    folder = outputs.cell.folder
    if name == "ledger.jsonl":
        lines = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join(lines[1:]))
    else:
        path = folder / "private" / name
        pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(AttackError, match="its releases are not those of the ledger"):
        world.sources().projections(outputs)


def test_a_saved_model_that_is_damaged_is_one_sentence(world: World, tmp_path: Path) -> None:
    outputs = damaged(world, tmp_path, "dp_lora")
    (outputs.cell.folder / "model" / "adapter_model.safetensors").write_bytes(b"no")
    query = world.sources().query(outputs)
    with pytest.raises(AttackError, match=r"model cannot be asked: .*cannot be read"):
        query(["the heart"])


def test_a_plugin_whose_model_class_is_not_named_cannot_be_asked(world: World) -> None:
    outputs, job = world.outputs("prior"), world.job("prior")

    class Unnamed(type(job.method)):  # type: ignore[misc]
        def fit(self, train, encoder, budget, run): ...  # type: ignore[no-untyped-def]

    found = world.sources(jobs={outputs.cell.cell_id: replace(job, method=Unnamed())})
    assert "name it as what its fit() returns" in found.available("query", outputs)


def test_gated_data_is_matched_under_the_stores_secret(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.job("prior")
    gated = replace(type(job.loader).card, release="aggregates")
    monkeypatch.setattr(type(job.loader), "card", gated)
    loaded = job.loader.load(None)
    monkeypatch.setattr(type(job.loader), "load", lambda self, data: replace(loaded, card=gated))
    from radpriv.benchmark import job as job_module

    job_module._load.cache_clear()
    store = Store(tmp_path / "store")
    done = run_cell(job, HOW, Context(store, FeatureCache(None), None))
    outputs = load(CellFiles.open(done.folder))
    found = world.sources(store=store, jobs={job.cell.id: job})
    assert outputs.record != world.outputs("prior").record
    assert found.texts(outputs)[0] == world.sources().texts(world.outputs("prior"))[0]
    assert sum(s is not None for s in found.secrets(outputs)) == 10
    job_module._load.cache_clear()
