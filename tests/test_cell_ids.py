"""Ten ids of cells, pinned: whatever is rearranged, stored results are found again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from radpriv.benchmark.canary_spec import Planting
from radpriv.benchmark.cell import AuditPolicy, Budget, Cell
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.suite import read_suite

CELL = Cell(
    dataset="mimic-cxr",
    dataset_identity={
        "loader": "mimic-cxr",
        "options": {"labels": "negbio", "uncertain": "positive"},
        "files": {"reports": "ab" * 32},
        "subset": {"reports": 3200, "seed": 1},
    },
    encoder="bert-small",
    encoder_sha256="cd" * 32,
    method="dp_lora",
    params={
        "rank": 8,
        "alpha": 0.5,
        "layers": [10, 11],
        "name": "größe",
        "nested": {"b": None, "a": True},
        "clip": 1e-05,
        "stop": float("inf"),
    },
    public=("synthetic-plain",),
    budget=Budget(0.01, 1e-6),
    n_public=24000,
    seed=3,
    suite_key_sha256="ef" * 32,
    noise_mode="secret",
    audit=AuditPolicy(share=0.05, key_sha256="01" * 32),
)
PLANTED = (
    Planting("secret", count=8, copies=4),
    Planting("gradient", count=100),
    Planting("mislabelled", share=0.25),
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "mimic-cxr.bert-small.dp_lora.eps0_01.s3-6f7606832918bdf5"),
        (
            {
                "budget": Budget(10, 1e-6, "patient"),
                "audit": AuditPolicy(unit="patient"),
                "per_patient": 16,
            },
            "mimic-cxr.bert-small.dp_lora.eps10.s3-7062a46c01eaa79a",
        ),
        (
            {
                "budget": Budget(float("inf"), 0),
                "audit": AuditPolicy(canaries="mislabelled"),
                "limited": 100,
                "public": (),
            },
            "mimic-cxr.bert-small.dp_lora.epsinf.mislabelled.limit100.s3-e502eef0541ef591",
        ),
        (
            {"encoder": "", "encoder_sha256": "", "audit": AuditPolicy(planted=PLANTED)},
            "mimic-cxr.dp_lora.eps0_01.s3-0c22ec97340b89d1",
        ),
    ],
)
def test_ids_of_cells_written_out(changes: dict[str, object], expected: str) -> None:
    assert replace(CELL, **changes).id == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("suite", "number", "expected"),
    [
        ("one_shot", 0, "synthetic-plain.minilm.dp_linear_probe.eps0_01.s0-c9a653d9aa2763c2"),
        ("one_shot", 17, "synthetic-plain.minilm.dp_linear_probe.eps10.s2-14c861631d0b7adb"),
        ("one_shot", -1, "synthetic-plain.tfidf.epsinf.mislabelled.s2-f3ecf5408b58b661"),
        ("leakage", 0, "synthetic-mimic-cxr.tfidf.epsinf.s0-0a528eba0454605c"),
        ("leakage", 40, "synthetic-mimic-cxr.minilm.dp_linear_probe.eps10.s4-cd965df7b461c016"),
        ("leakage", -1, "synthetic-mimic-cxr.tfidf.epsinf.mislabelled.s17-abaf08b3c550bf57"),
    ],
)
def test_ids_of_cells_of_shipped_suites(suite: str, number: int, expected: str) -> None:
    """Through loaders, encoders and methods: identities, hashes, parameters and their defaults."""
    assert expand(read_suite(suite), None)[number].cell.id == expected
