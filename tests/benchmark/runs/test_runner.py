"""What a finished cell of every shipped method holds, and what it never counts."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radpriv.baselines.prior import PriorFitted
from radpriv.benchmark.cell import Claim
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy.accounting.ledger import read
from radpriv.benchmark.runs.record import hashed_id
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.store.results import FinishedCell
from radpriv.benchmark.store.schema import dump
from radpriv.benchmark.suites import job as job_module
from radpriv.benchmark.suites.job import Job

JobWith = Callable[..., Job]
JobsOf = Callable[..., list[Job]]
WORDS = HashedWords(64, 1, True)


def files(folder: Path) -> Iterator[Path]:
    return (p for p in sorted(folder.rglob("*")) if p.is_file())


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, write_suite: Callable[..., Path]
) -> list[tuple[Job, FinishedCell, Context, Fingerprint]]:
    """Every shipped method and the control, run once."""
    from radpriv.benchmark.encoders.features import FeatureCache
    from radpriv.benchmark.store.store import Store
    from radpriv.benchmark.suites.expansion import expand
    from radpriv.benchmark.suites.suite import read_suite

    root = tmp_path_factory.mktemp("run")
    context = Context(Store(root / "store"), FeatureCache(root / "cache"), None)
    how = Fingerprint({"made.up": "00"}, {}, {"numpy": "2"}, "3.11", "cpu", "float32")
    jobs = expand(read_suite(str(write_suite())), None)
    return [(job, run_cell(job, how, context), context, how) for job in jobs]


KEYS = {
    "schema", "cell_id", "family", "fingerprint", "status", "role", "cell", "label_names",
    "thresholds", "claim", "certificate", "ledger", "calibration", "trainable_parameters", "method",
    "dtype", "device_kind", "encoder", "card", "counts", "noise_key_commitment", "how", "versions",
}  # fmt: skip


def test_a_record_has_every_field_of_its_contract(finished: Any) -> None:
    assert {j.cell.method for j, *_ in finished} == {
        "dp_lora", "lora", "dp_linear_probe", "linear_probe", "dp_bow", "tfidf", "prior",
    }  # fmt: skip
    assert sum(j.role == "control" for j, *_ in finished) == 1
    for job, found, _, how in finished:
        record = found.record
        assert set(dump(record)) >= KEYS and record.schema == 1 and record.status == "done"
        assert record.cell_id == job.cell.id and record.fingerprint == how.digest
        assert record.family == job.cell.family and record.role == job.role
        assert record.cell.as_dict() == json.loads(json.dumps(job.cell.as_dict()))
        assert len(record.thresholds) == len(record.label_names) == len(job.loader.labels)
        assert record.trainable_parameters > 0 and record.dtype == "float32"
        assert record.noise_key_commitment is None
        assert (record.encoder is None) == (not job.method.uses_encoder)
        if job.encoder:
            assert record.encoder.sha256 == job.encoder.sha256
            assert record.encoder.pretrained_on == "nothing: random weights"
        text = (found.folder / "record.json").read_text()
        assert text.endswith("}\n") and json.dumps(dump(record), sort_keys=True, indent=1) in text


def test_private_cell_certifies_within_its_budget_and_spends_it(finished: Any) -> None:
    """A private cell certifies within its budget and spends it."""
    private = [(j, f) for j, f, *_ in finished if j.method.private]
    for _, found in private:  # what it says of several reports of one patient
        certificate = found.record.certificate
        figures = certificate.together
        assert set(figures) == {"2", "5", "10"}
        assert certificate.epsilon * 1.5 < figures["2"] < figures["5"] < figures["10"]
    assert len(private) == 3
    for job, found in private:
        record, asked = found.record, job.cell.budget
        assert 0.995 * asked.epsilon <= record.certificate.epsilon <= asked.epsilon
        assert record.certificate.delta == asked.delta
        assert record.certificate.accountant.startswith("PLD (dp_accounting ")
        assert record.claim == Claim(
            asked.epsilon, asked.delta, "report", "add_remove", "by construction"
        )
        steps = job.cell.params["steps"]
        book = read(found.folder / "ledger.jsonl")
        assert len(book) == steps == record.ledger.releases
        assert sum(g.steps for g in record.ledger.groups) == steps
        assert {r.noise_multiplier for r in book} == {record.calibration[0].noise_multiplier}


def test_cell_without_privacy_has_an_empty_ledger_uncertified(finished: Any) -> None:
    """A cell without privacy has no certificate and an empty ledger."""
    for job, found, *_ in finished:
        if not job.method.private:
            assert found.record.certificate is None and found.record.claim is None
            assert not found.record.cell.budget.private
            assert (found.folder / "ledger.jsonl").read_bytes() == b""


def test_scores_are_of_the_test_split_and_every_candidate(finished: Any) -> None:
    """Scores are those of the test split and of every candidate."""
    for job, found, *_ in finished:
        dataset = job.dataset(None)
        universe = job.universe(dataset)
        test = found.table("test.parquet").to_pylist()
        rows = dataset.rows("test")
        assert [r["record"] for r in test] == sorted(
            hashed_id(job.audit_key, dataset.ids[r]) for r in rows
        )
        assert len(rows) > 10 and all(np.isfinite(r["logits"]).all() for r in test)
        slots = np.flatnonzero(universe.candidate)
        candidates = found.table("private/candidates.parquet").to_pylist()
        assert [c["slot"] for c in candidates] == list(slots) and len(slots) > 5
        for row in candidates:
            assert row["record"] == hashed_id(job.audit_key, universe.ids[row["slot"]])
            assert row["kind"] == job.cell.audit.canaries
            np.testing.assert_array_equal(row["labels"], universe.y[row["slot"]])
        flags = found.table("private/flags.parquet").to_pylist()
        assert [f["slot"] for f in flags] == list(slots)
        assert [f["member"] for f in flags] == list(universe.member[slots])


def test_stored_logits_are_those_of_the_saved_model(finished: Any) -> None:
    from radpriv.baselines.tfidf import TfIdfFitted
    from radpriv.benchmark.methods.fitted import LinearFitted, LoraFitted

    loaders = {"lora": LoraFitted, "linear": LinearFitted, "tfidf": TfIdfFitted}
    compared = 0
    for job, found, *_ in finished:
        kind = json.loads((found.folder / "model" / "model.json").read_text())["kind"]
        loader = loaders.get(kind, PriorFitted)
        fitted = loader.load(found.folder / "model", job.encoder)
        dataset = job.dataset(None)
        by_name = {r["record"]: r["logits"] for r in found.table("test.parquet").to_pylist()}
        for row in dataset.rows("test")[:6]:
            again = fitted.logits([dataset.texts[row]])[0]
            stored = by_name[hashed_id(job.audit_key, dataset.ids[row])]
            np.testing.assert_allclose(again, stored, rtol=1e-5, atol=1e-5)
            compared += 1
    assert compared == 6 * len(finished)


def test_finished_cell_is_read_only_and_private_for_the_owner(finished: Any) -> None:
    """A finished cell is read-only and its private part for the owner."""
    for _, found, *_ in finished:
        for path in files(found.folder):
            mode = stat.S_IMODE(path.stat().st_mode)
            assert not mode & 0o222
            if path.parent.name == "private":
                assert mode == 0o400 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_finished_cell_is_served_and_nothing_is_computed(
    finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(job_module, "_load", never)
    for job, found, context, how in finished:
        monkeypatch.setattr(type(job.method), "fit", never)
        assert run_cell(job, how, context).record == found.record
        with pytest.raises(AssertionError, match="computed again"):
            run_cell(job, replace(how, python="3.0"), context)


def test_the_diary_is_private_and_has_a_row_per_step(finished: Any) -> None:
    for job, found, *_ in finished:
        rows = found.table("private/diagnostics.parquet").to_pylist()
        assert len(rows) == (job.cell.params["steps"] if job.method.private else 0)


def test_no_count_of_members_is_in_a_public_file(finished: Any) -> None:
    for job, found, *_ in finished:
        universe = job.universe(job.dataset(None))
        members = {int(universe.member.sum()), int(universe.member[universe.candidate].sum())}
        numbers: list[Any] = []

        def walk(value: Any, numbers: list[Any] = numbers) -> None:
            if isinstance(value, dict | list):
                for inner in value.values() if isinstance(value, dict) else value:
                    walk(inner)
            else:
                numbers.append(value)

        record = dump(found.record)
        params, public = record["cell"].pop("params"), record["cell"].pop("n_public")
        walk({k: v for k, v in record.items() if k != "trainable_parameters"})
        allowed = {*params.values(), public, found.record.ledger.releases}
        assert not (members - allowed) & {n for n in numbers if isinstance(n, int)}


def test_a_run_with_canaries_holds_their_scores_and_projections(
    tmp_path: Path, jobs_of: JobsOf
) -> None:
    from radpriv.benchmark.encoders.features import FeatureCache
    from radpriv.benchmark.store.store import Store

    canaries = """[{kind = "rare-token", count = 4}, {kind = "secret", count = 2, copies = 3},
                   {kind = "gradient", count = 5}]"""
    how = Fingerprint({"made.up": "00"}, {}, {"numpy": "2"}, "3.11", "cpu", "float32")
    context = Context(Store(tmp_path / "store"), FeatureCache(None), None)
    for job in jobs_of("dp_bow", "tfidf", canaries=canaries):
        found = run_cell(job, how, context)
        kinds = [r["kind"] for r in found.table("private/candidates.parquet").to_pylist()]
        path = found.folder / "private" / "projections.parquet"
        if job.role == "control":
            assert set(kinds) == {"mislabelled"} and not path.exists()
            continue
        counts = {k: kinds.count(k) for k in set(kinds) - {"natural"}}
        assert counts == {"rare-token": 4, "secret*3": 6, "gradient": 5}
        shown = found.table("private/projections.parquet").to_pylist()
        assert len(shown) == (job.cell.params["steps"] if job.method.private else 0)
        assert all(len(r["values"]) == 5 and np.isfinite(r["values"]).all() for r in shown)
        public = [p for p in files(found.folder) if p.parent.name != "private"]
        texts = b"".join(p.read_bytes() for p in public)
        assert public and b"canary/" not in texts and b"Accession" not in texts


def test_run_tells_how_many_records_it_maps(
    jobs_of: JobsOf, how: Fingerprint, context: Context
) -> None:
    """Before the first of them; and nothing where the features are there already."""
    (job, *_) = (j for j in jobs_of("linear_probe") if j.encoder is not None)
    told: list[tuple[str, float]] = []
    context.progress = lambda kind, amount: told.append((kind, amount))
    run_cell(job, how, context)
    maps = [amount for kind, amount in told if kind == "to map"]
    assert told[0] == ("to map", maps[0]) and maps[0] > 0
    assert sum(maps) == sum(amount for kind, amount in told if kind == "mapped")
