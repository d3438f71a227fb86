"""A fake store: several methods × ε × seeds with simulated logits, in the store's layout."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.store import examples
from radpriv.benchmark.store.cell_schema import (
    CellRecord,
    Certificate,
    EncoderFacts,
    How,
    LedgerSummary,
)
from radpriv.benchmark.store.dataset_card import Card
from radpriv.benchmark.store.plan_schema import Axes, PlannedCell, Role
from radpriv.benchmark.store.schema import dump as plain
from radpriv.benchmark.store.schema import parse, write

from .fake_attacks import LABELS, attack, digest

RATES = (0.4, 0.2, 0.1, 0.085, 0.04, 0.01)
PRIVATE = {"dp_lora": (0.7, 1.4), "dp_linear_probe": (1.0, 1.5), "dp_bow": (0.85, 1.45)}
NON_PRIVATE = {"lora": 1.95, "linear_probe": 1.7, "tfidf": 1.8, "prior": 0.0}
CARD = Card(
    title="Indiana University chest X-ray reports (Open-i)",
    licence="CC BY-NC-ND 4.0",
    access="public",
    release="open",
    labels_from="human MeSH codes, mapped",
    unit_note="a report stands for all its copies; no patient ids, so report = patient",
    known_errors=("ordinary words were scrubbed too",),
)
ENCODER = EncoderFacts("minilm", "53aa51172d142c89", "0.1.0", "1B sentence pairs from the web")


@dataclass
class FakeStore:
    """Writes a plan with its cells and attack results; fields may be changed before `write`."""

    root: Path
    suite: str = "demo"
    dataset: str = "openi"
    seeds: tuple[int, ...] = (0, 1, 2)
    epsilons: tuple[float, ...] = (1.0, 10.0)
    records: int = 300
    nan_share: float = 0.05
    short_recipe: bool = False
    limited: int | None = None
    labels: tuple[str, ...] = LABELS
    labels_of_methods: dict[str, str] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    edit: Callable[[dict[str, Any]], None] = lambda record: None
    deterministic_logits: bool = False
    private: dict[str, tuple[float, float]] = field(default_factory=lambda: dict(PRIVATE))
    attacks: tuple[str, ...] = ("loss",)
    non_private: dict[str, float] = field(default_factory=lambda: dict(NON_PRIVATE))

    def cells(self) -> Iterable[tuple[str, float, int, float, Role]]:
        """method, ε, seed, signal strength, role."""
        for method, signals in self.private.items():
            for i, epsilon in enumerate(self.epsilons):
                for seed in self.seeds:
                    yield method, epsilon, seed, signals[min(i, 1)], "cell"
        for method, signal in self.non_private.items():
            for seed in self.seeds:
                yield method, math.inf, seed, signal, "cell"
        for seed in self.seeds:
            yield "tfidf", math.inf, seed, 3.0, "control"

    def truth(self) -> np.ndarray:
        rng = np.random.default_rng(7)
        y = (rng.random((self.records, len(self.labels))) < RATES[: len(self.labels)]).astype("f4")
        y[rng.random(y.shape) < self.nan_share] = np.nan
        return y

    def write(self) -> Path:
        plan, families = [], {}
        y = self.truth()
        for n, (method, epsilon, seed, signal, role) in enumerate(self.cells()):
            family = digest(f"{self.dataset}{method}{epsilon}{role}")
            head = re.sub(r"[^A-Za-z0-9_-]+", "_", self.dataset)
            cell_id = f"{head}.{method}.eps{epsilon:g}.{role}.s{seed}-{family[:6]}"
            status = self.status.get(cell_id.rsplit("-", 1)[0], "done")
            axes = Axes(
                dataset=self.dataset,
                encoder="" if method in ("tfidf", "dp_bow", "prior") else "minilm",
                method=method,
                label=self.labels_of_methods.get(method, method),
                epsilon=epsilon,
                seed=seed,
                canaries="mislabelled" if role == "control" else "natural",
            )
            entry = PlannedCell(axes, cell_id, family, digest("code"), role, status)
            plan.append(entry)
            if status != "done":
                continue
            families.setdefault(family, (role, method, epsilon, []))[3].append((cell_id, seed))
            folder = self.root / "cells" / cell_id / entry.fingerprint
            folder.mkdir(parents=True)
            record = plain(self.record(entry))
            self.edit(record)
            write(folder / "record.json", parse(CellRecord, json.dumps(record), cell_id))
            rng = np.random.default_rng(100 if self.deterministic_logits else n)
            seen = np.nan_to_num(y, nan=0.5)
            noise = rng.normal(0, 1.0, y.shape) + rng.normal(0, 0.15)
            logits = (signal * (2 * seen - 1) + noise - 0.3).astype("f4")
            if method == "prior":
                logits = np.tile(np.log(np.array(RATES) / (1 - np.array(RATES))), (len(y), 1))
            write_scores(folder / "test.parquet", y, logits.astype("f4"))
        write(
            self.root / "plans" / f"{self.suite}.json",
            examples.plan(
                *plan,
                suite=self.suite,
                short_recipe=self.short_recipe,
                limited=self.limited,
                datasets=(self.dataset,),
            ),
        )
        for family, (role, method, epsilon, cells) in families.items():
            for name in self.attacks:
                result = attack(family, role, method, epsilon, cells, name)
                write(self.root / "attacks" / result.attack_id / "result.json", result)
        return self.root

    def record(self, entry: PlannedCell) -> CellRecord:
        axes = entry.axes
        private = math.isfinite(axes.epsilon)
        cell = replace(
            examples.CELL,
            dataset=self.dataset,
            encoder=axes.encoder,
            method=axes.method,
            params={},
            budget=Budget(axes.epsilon, 1e-5),
            seed=axes.seed,
            limited=self.limited,
        )
        certificate = Certificate(
            epsilon=axes.epsilon * (0.997 + 0.001 * axes.seed),
            delta=1e-5,
            accountant="PLD (dp_accounting 0.6.0)",
            discretization=axes.epsilon / 1000,
            together={
                "2": axes.epsilon * (2.1 + 0.1 * axes.seed),
                "5": 6 * axes.epsilon,
                "10": None,
            },
        )
        return examples.cell_record(
            cell,
            cell_id=entry.cell_id,
            family=entry.family,
            fingerprint=entry.fingerprint,
            role=entry.role,
            label_names=self.labels,
            thresholds=(0.0,) * len(self.labels),
            certificate=certificate if private else None,
            ledger=LedgerSummary(60, ()),
            calibration=(),
            trainable_parameters=5390 if "lora" not in axes.method else 54222,
            encoder=ENCODER if axes.encoder else None,
            card=CARD,
            counts={"reports": 3095, "train": 2395, "test": self.records, "unlabelled": 95},
            how=How("3.11", "cpu", "float32", {}, {}, {"numpy": "2.4.6", "torch": "2.13.0"}),
        )


def dump(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, sort_keys=True, indent=1).replace("Infinity", '"inf"')
    path.write_text(text + "\n", encoding="utf-8")


def write_scores(path: Path, y: np.ndarray, logits: np.ndarray) -> None:
    n = len(y)
    table = pa.table(
        {
            "record": [f"r{i:05d}" for i in range(n)],
            "patient": [f"p{i * 7919 % n:05d}" for i in range(n)],
            "labels": pa.array(y.tolist(), pa.list_(pa.float32())),
            "logits": pa.array(logits.tolist(), pa.list_(pa.float32())),
        }
    )
    pq.write_table(table, path)
