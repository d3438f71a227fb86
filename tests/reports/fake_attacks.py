"""Attack results of a fake store: figures as an attack would write them, made up by rule."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

from radpriv.reports.results.load import COUNTING

LABELS = (
    "No Finding",
    "Lung Opacity",
    "Cardiomegaly",
    "Atelectasis",
    "Pleural Effusion",
    "Pneumothorax",
)
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


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
