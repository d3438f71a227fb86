"""Secrets that were planted, and projections of releases on gradient canaries."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from radpriv.attacks.inputs.auxiliary_data import AuxiliaryData
from radpriv.attacks.inputs.cell_outputs import load, open_cell
from radpriv.benchmark.datasets.audit_set.canaries import secret_of
from radpriv.benchmark.datasets.audit_set.universe import prf
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.suite import read_suite
from radpriv.errors import AttackError

from .attacked_store import HOW, World, damaged


def test_cell_without_canaries_has_no_secrets_or_projections(world: World) -> None:
    """Without canaries there are no secrets and no projections."""
    outputs = world.outputs("dp_lora")
    natural = outputs.only(np.flatnonzero(np.array(outputs.kind) == "natural"))
    found = world.sources()
    assert "no secret canaries" in found.available("secrets", natural)
    assert "no gradient canaries" in found.available("projections", natural)


def test_secrets_are_the_planted_ones_and_copies_share_one(world: World) -> None:
    """Secrets are those that training planted, and copies share one."""
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
        world.sources(jobs={outputs.cell.record.cell_id: job}).secrets(outputs)


def test_projections_stand_in_the_gradient_canaries_columns(world: World) -> None:
    """Projections stand in the columns of gradient canaries with their noise."""
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


def test_bound_that_was_declared_adds_no_canary(
    write_suite: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_suite("dp_linear_probe", control="false", epsilons="[1.0]",
                       canaries='[{kind = "gradient", count = 4}]')  # fmt: skip
    solver = path.read_text().replace('solver = "sgd", steps = 6', 'solver = "output"')
    path.write_text(solver)
    (job,) = expand(read_suite(str(path)), None)
    store = Store(tmp_path / "store")
    done = run_cell(job, HOW, Context(store, FeatureCache(None), None))
    assert done.record.declared
    seen = AuxiliaryData(store, None, {job.cell.id: job}, FeatureCache(None)).projections(
        load(open_cell(done.folder))
    )
    assert (seen.norm == 0).all() and (seen.sigma > 0).all() and len(seen.norm) >= 1


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
