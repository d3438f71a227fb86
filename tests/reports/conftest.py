"""A fake store: several methods × ε × seeds with simulated logits, in the store's layout."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radpriv.reports.load import COUNTING
from radpriv.reports.write import Report, write_report

LABELS = (
    "No Finding",
    "Lung Opacity",
    "Cardiomegaly",
    "Atelectasis",
    "Pleural Effusion",
    "Pneumothorax",
)
RATES = (0.4, 0.2, 0.1, 0.085, 0.04, 0.01)
PRIVATE = {"dp_lora": (0.7, 1.4), "dp_linear_probe": (1.0, 1.5), "dp_bow": (0.85, 1.45)}
NON_PRIVATE = {"lora": 1.95, "linear_probe": 1.7, "tfidf": 1.8, "prior": 0.0}
CARD = {
    "title": "Indiana University chest X-ray reports (Open-i)",
    "licence": "CC BY-NC-ND 4.0",
    "access": "public",
    "release": "open",
    "labels_from": "human MeSH codes, mapped",
    "unit_note": "a report stands for all its copies; no patient ids, so report = patient",
    "known_errors": ["ordinary words were scrubbed too"],
    "calibrated_on": [],
}


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

    def cells(self) -> Iterable[tuple[str, float, int, float, str]]:
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
            cell_id = f"{self.dataset}.{method}.eps{epsilon:g}.{role}.s{seed}-{family[:6]}"
            status = self.status.get(cell_id.rsplit("-", 1)[0], "done")
            entry = {
                "axes": {
                    "dataset": self.dataset,
                    "encoder": "" if method in ("tfidf", "dp_bow", "prior") else "minilm",
                    "method": method,
                    "label": self.labels_of_methods.get(method, method),
                    "epsilon": "inf" if math.isinf(epsilon) else epsilon,
                    "seed": seed,
                    "canaries": "mislabelled" if role == "control" else "natural",
                },
                "cell_id": cell_id,
                "family": family,
                "fingerprint": digest("code"),
                "status": status,
                "role": role,
            }
            plan.append(entry)
            if status != "done":
                continue
            families.setdefault(family, (role, method, epsilon, []))[3].append((cell_id, seed))
            folder = self.root / "cells" / cell_id / entry["fingerprint"]
            folder.mkdir(parents=True)
            record = self.record(entry, method, epsilon, seed)
            self.edit(record)
            dump(folder / "record.json", record)
            rng = np.random.default_rng(100 if self.deterministic_logits else n)
            seen = np.nan_to_num(y, nan=0.5)
            noise = rng.normal(0, 1.0, y.shape) + rng.normal(0, 0.15)
            logits = (signal * (2 * seen - 1) + noise - 0.3).astype("f4")
            if method == "prior":
                logits = np.tile(np.log(np.array(RATES) / (1 - np.array(RATES))), (len(y), 1))
            write_scores(folder / "test.parquet", y, logits.astype("f4"))
        dump(
            self.root / "plans" / f"{self.suite}.json",
            {
                "schema": 1,
                "suite": self.suite,
                "short_recipe": self.short_recipe,
                "limited": self.limited,
                "note": None,
                "datasets": [self.dataset],
                "cells": plan,
            },
        )
        for family, (role, method, epsilon, cells) in families.items():
            for name in self.attacks:
                dump(
                    self.root / "attacks" / f"{name}-{family}" / "result.json",
                    attack(family, role, method, epsilon, cells, name),
                )
        return self.root

    def record(
        self, entry: dict[str, Any], method: str, epsilon: float, seed: int
    ) -> dict[str, Any]:
        private = math.isfinite(epsilon)
        return {
            "schema": 1,
            "cell_id": entry["cell_id"],
            "family": entry["family"],
            "fingerprint": entry["fingerprint"],
            "status": "done",
            "role": entry["role"],
            "cell": {
                "dataset": self.dataset,
                "encoder": entry["axes"]["encoder"],
                "method": method,
                "params": {},
                "public": [],
                "budget": {
                    "epsilon": epsilon if private else "inf",
                    "delta": 1e-5 if private else 0.0,
                    "unit": "report",
                    "adjacency": "add_remove",
                },
                "n_public": 2400,
                "seed": seed,
                "noise_mode": "replayable",
                "limited": self.limited,
            },
            "label_names": list(self.labels),
            "thresholds": [0.0] * len(self.labels),
            "claim": {
                "epsilon": epsilon,
                "delta": 1e-5,
                "unit": "report",
                "adjacency": "add_remove",
                "standing": "by construction",
            }
            if private
            else None,
            "certificate": {
                "epsilon": epsilon * (0.997 + 0.001 * seed),
                "delta": 1e-5,
                "accountant": "PLD (dp_accounting 0.6.0)",
                "discretization": epsilon / 1000,
                "together": {"2": epsilon * (2.1 + 0.1 * seed), "5": 6 * epsilon, "10": None},
            }
            if private
            else None,
            "ledger": {"releases": 60, "groups": []},
            "calibration": [],
            "trainable_parameters": 5390 if "lora" not in method else 54222,
            "method": {"private": private, "uses_encoder": bool(entry["axes"]["encoder"])},
            "dtype": "float32",
            "device_kind": "cpu",
            "encoder": {
                "name": "minilm",
                "sha256": "53aa51172d142c89",
                "pretrained_on": "1B sentence pairs from the web",
                "revision": "0.1.0",
            }
            if entry["axes"]["encoder"]
            else None,
            "card": deepcopy(CARD),
            "counts": {"reports": 3095, "train": 2395, "test": self.records, "unlabelled": 95},
            "noise_key_commitment": None,
            "how": {
                "python": "3.11",
                "device": "cpu",
                "dtype": "float32",
                "modules": {},
                "packages": {"numpy": "2.4.6", "torch": "2.13.0"},
                "cached": True,
                "why_not_cached": None,
            },
            "versions": {"radpriv": "0.1.0", "torch": "2.13.0"},
        }


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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


BY_ATTACK = {"loss": 0.0, "lira": 0.03, "blind": -0.2}
"""What each attack sees beyond the loss; the blind one sees nothing."""


def attack(
    family: str,
    role: str,
    method: str,
    epsilon: float,
    cells: list[tuple[str, int]],
    name: str = "loss",
) -> dict[str, Any]:
    rows = []
    base = {"control": 0.95}.get(role, 0.70 if method == "tfidf" else 0.51) + BY_ATTACK[name]
    base = 0.5 if name == "blind" else min(base, 0.98)
    known = [("known", 0.55)] if math.isfinite(epsilon) else []
    for cell_id, seed in cells:
        wobble = (int(digest(cell_id), 16) % 1000 / 1000 - 0.5) * 0.02
        for kind, auc in (
            ("control" if role == "control" else "attack", base + wobble),
            ("null", 0.5 + wobble),
            *known,
        ):
            low = max(0.0, (auc - 0.6) * 4)
            rows.append(
                {
                    "cell_id": cell_id,
                    "seed": seed,
                    "role": kind,
                    "candidates": 450,
                    "left_out": 29,
                    "audited": 479,
                    "auc": auc,
                    "references": len(cells) - 1,
                    "tpr_at_fpr": {
                        "0.05": rate((auc - 0.45) / 1.2),
                        "0.01": rate(None),
                        "0.001": rate(None),
                    },
                    "epsilon_lower": low,
                    "confidence": 0.95,
                    "guesses": 48,
                    "correct": 30,
                    "ceiling": 2.7,
                    "delta": 1e-5,
                }
            )
    summaries = {kind: summary(rows, kind) for kind in sorted({r["role"] for r in rows})}
    if known:
        summaries["known"]["truth"] = {"epsilon": epsilon, "auc": 0.55}
    return {
        "schema": 2,
        "counting": COUNTING,
        "kind": "membership",
        "on": "records",
        "attack_id": f"{name}-{family}",
        "attack": name,
        "attack_version": 2,
        "params": {},
        "fingerprint": digest("attack code"),
        "family": family,
        "cells": sorted(c for c, _ in cells),
        "references": [],
        "rows": rows,
        "summary": summaries,
        "audit": {kind: audit(found, epsilon, kind) for kind, found in summaries.items()},
        "subsets": {} if role == "control" or name == "blind" else subsets(base),
        "diagnostics": [],
    }


def audit(found: dict[str, Any], epsilon: float, kind: str) -> dict[str, Any]:
    private = math.isfinite(epsilon) and kind == "attack"
    ideal = {"epsilon": 0.6 * epsilon, "error": 0.01, "ceiling": 4.4, "auc": 0.8}
    best = {
        "epsilon": found["epsilon_lower"],
        "ceiling": found["ceiling"],
        "chosen": {"attack": "", "r": 48, "v": 40},
        "comparisons": 15,
        "confidence": 0.95,
        "each": 0.9967,
        "price": 0.2,
    }
    return {
        "m": 479,
        "seeds": found["k"],
        "attacks": 8,
        "delta": 1e-5,
        "confidence": 0.95,
        "one_run": best,
        "one_run_seed": 0,
        "fdp": {**best, "epsilon": 1.2 * found["epsilon_lower"]},
        "fdp_seed": 0,
        "fdp_kind": "estimate",
        "gdp": 1.3 * found["epsilon_lower"],
        "runs": {"epsilon": None, "ceiling": 0.0, "runs": found["k"], "needed": 12},
        "ideal": ideal if private else None,
        "ideal_fdp": ideal if private else None,
        "share_of_ideal": 0.5 if private else None,
    }


def subsets(base: float) -> dict[str, Any]:
    def one(key: str, name: str, auc: float | None) -> dict[str, Any]:
        ends = {"auc_low": None, "auc_high": None}
        if auc is not None:
            ends = {"auc_low": auc - 0.05, "auc_high": auc + 0.05}
        return {key: name, "candidates": 120, "resolvable": auc is not None, "auc": auc, **ends}

    labels = [one("label", n, base + 0.02 - 0.01 * i) for i, n in enumerate(LABELS[:-1])]
    return {
        "groups": [
            one("group", "a rare label", base + 0.05),
            one("group", "other labels only", base),
            one("group", "no label", None),
        ],
        "labels": [*labels, one("label", LABELS[-1], None)],
        "patients": {
            "patients": 80,
            "reports": 2.4,
            "resolvable": True,
            "auc": base + 0.03,
            "auc_low": base - 0.04,
            "auc_high": base + 0.1,
        },
    }


def rate(value: float | None) -> dict[str, Any]:
    ends = (None, None) if value is None else (max(0.0, value - 0.03), value + 0.03)
    return {"value": value, "low": ends[0], "high": ends[1], "resolvable": value is not None}


def summary(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    chosen = [r for r in rows if r["role"] == kind]
    mean = float(np.mean([r["auc"] for r in chosen]))
    return {
        "k": len(chosen),
        "references": len(chosen) - 1,
        "candidates": 450,
        "left_out": 29,
        "audited": 479,
        "auc": mean,
        "auc_low": mean - 0.03,
        "auc_high": min(1.0, mean + 0.03),
        "confidence": 0.95,
        "interval": "t * sqrt(s^2/k + v)",
        "degrees_of_freedom": 2.5 if len(chosen) > 1 else None,
        "tpr_at_fpr": chosen[0]["tpr_at_fpr"],
        "roc": curve(mean),
        "advantage": max(0.05, 2 * (mean - 0.5)),
        "advantage_low": max(0.0, 2 * (mean - 0.5) - 0.05),
        "advantage_high": min(1.0, 2 * (mean - 0.5) + 0.1),
        "epsilon_lower": max(r["epsilon_lower"] for r in chosen),
        "ceiling": 2.3,
        "guesses": 48,
        "correct": 40,
        "delta": 1e-5,
        "canaries": []  # nothing is planted in a control
        if kind == "control"
        else [
            canary("rare-token", mean, 0.1),
            canary("secret*16", 0.9, None),
            canary("secret", None, 0.0),
        ],
        "strata": [
            stratum(0.0, 0.5, 400, mean),
            stratum(0.5, 0.8, 50, mean - 0.05),
            stratum(0.8, None, 29, None),
        ],
    }


def curve(auc: float) -> dict[str, Any]:
    """TPR = FPR^p, of which the area is `auc`."""
    fpr = np.geomspace(1e-3, 1.0, 25)
    tpr = fpr ** (1 / min(auc, 0.98) - 1)
    low, high = np.maximum(0.0, tpr - 0.03), np.minimum(1.0, tpr + 0.03)
    return {
        "fpr": fpr.tolist(),
        "tpr": tpr.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "resolvable": (fpr > 0.04).tolist(),
    }


def canary(kind: str, auc: float | None, bound: float | None) -> dict[str, Any]:
    return {
        "kind": kind,
        "candidates": 40,
        "resolvable": auc is not None,
        "auc": auc,
        "auc_low": None if auc is None else auc - 0.1,
        "auc_high": None if auc is None else min(1.0, auc + 0.1),
        "epsilon_lower": bound,
        "ceiling": None if bound is None else 1.2,
    }


def stratum(start: float, end: float | None, count: int, auc: float | None) -> dict[str, Any]:
    return {
        "similarity_from": start,
        "similarity_below": end,
        "candidates": count,
        "resolvable": auc is not None,
        "auc": auc,
        "auc_low": None if auc is None else auc - 0.1,
        "auc_high": None if auc is None else min(1.0, auc + 0.1),
    }


@pytest.fixture
def fake(tmp_path: Path) -> FakeStore:
    """A store that is not written yet."""
    return FakeStore(tmp_path / "store")


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of an unchanged fake store; read it, do not change it."""
    return write_report(FakeStore(tmp_path_factory.mktemp("written") / "store").write(), "demo")


@pytest.fixture
def many_patients() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y float32 with NaN (700, 14), predictions, and patient numbers (about 500 patients)."""
    rng = np.random.default_rng(3)
    rates = np.linspace(0.01, 0.3, 14)
    y = (rng.random((700, 14)) < rates).astype(np.float32)
    pred = np.where(rng.random(y.shape) < 0.85, y == 1, rng.random(y.shape) < 0.2)
    y[rng.random(y.shape) < 0.1] = np.nan
    _, groups = np.unique(rng.integers(0, 500, 700), return_inverse=True)
    return y, pred, groups
