"""The published figures that a twin reproduces, as data: mimic_cxr.toml and ct_rate.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.datasets.synthetic.engine.copula import Latent, fit
from radpriv.benchmark.store.schema import file_format
from radpriv.benchmark.user_input import read_toml
from radpriv.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Rates:
    """One label: shares of reports where it is positive, negative or uncertain (rest: blank).

    recall: share of its positives that are told by a word of the lexicon.
    pathology: it counts against No Finding.
    noise: F1 of the silver label's mention, negation and uncertainty against the true ones.
    habit: share of complete findings sections that say so where the label is not there.
    acute: share of those who have it whose chest is not called free of acute disease.
    """

    name: str
    positive: float
    negative: float
    uncertain: float = 0.0
    recall: float
    pathology: bool = True
    noise: tuple[float, float, float] = (1.0, 1.0, 1.0)
    habit: float = 0.0
    acute: float = 1.0


@dataclass(frozen=True)
class Calibration:
    """clear: share of reports with No Finding, or None where there is no such label.

    words: mean and spread of log words, per section.  rates: every other share, by name.
    default_phi: for pairs without a published figure.
    clear_given_none: share of reports without a positive pathology that are clear.
    """

    version: int
    labels: tuple[Rates, ...]
    clear: float | None
    reports_per_patient: tuple[float, ...]
    words: Mapping[str, tuple[float, float]]
    rates: Mapping[str, float]
    pairs: Mapping[frozenset[str], float]
    default_phi: float
    latent: Latent
    clear_given_none: float

    @property
    def kinds(self) -> tuple[float, float, float]:
        """Shares of reports whose labels are those of an impression beside findings, of an
        impression alone, of findings alone; the first, where no figure tells them apart."""
        if "neither" not in self.rates:
            return 1.0, 0.0, 0.0
        impression, findings = self.rates["impression"], self.rates["findings"]
        both = impression + findings + self.rates["neither"] - 1.0
        return both, impression - both, 1.0 - impression

    def phi(self) -> NDArray[np.float64]:
        """Target phi coefficients (k, k), diagonal 1."""
        names = [label.name for label in self.labels]
        phi = np.eye(len(names))
        for i, one in enumerate(names):
            for j, other in enumerate(names[:i]):
                phi[i, j] = phi[j, i] = self.pairs.get(frozenset((one, other)), self.default_phi)
        return phi


@dataclass(frozen=True)
class PatientFigures:
    """reports: shares of patients with 1, 2, 3, … of them.  keep: see Latent."""

    reports: tuple[float, ...]
    keep: float


@dataclass(frozen=True)
class Cooccurrence:
    """phi coefficients of pairs of labels, and of every other pair."""

    default: float
    pairs: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True)
class Copula:
    """What `refit` found for these figures."""

    thresholds: tuple[int, ...]
    factor: tuple[tuple[int, ...], ...]
    clear_given_none: float


@file_format
@dataclass(frozen=True)
class FiguresFile:
    """The figures as their file holds them."""

    version: int
    patients: PatientFigures
    words: Mapping[str, tuple[float, float]]
    rates: Mapping[str, float]
    label: tuple[Rates, ...]
    cooccurrence: Cooccurrence
    copula: Copula
    clear: float | None = None


@lru_cache(maxsize=8)
def read_calibration(path: Path) -> Calibration:
    """The figures; DataError names the file and what is wrong with it."""
    file = read_toml(FiguresFile, path, DataError)
    result = Calibration(
        version=file.version,
        labels=file.label,
        clear=file.clear,
        reports_per_patient=file.patients.reports,
        words=file.words,
        rates=file.rates,
        pairs={frozenset((a, b)): phi for a, b, phi in file.cooccurrence.pairs},
        default_phi=file.cooccurrence.default,
        latent=Latent(
            factor=file.copula.factor,
            thresholds=file.copula.thresholds,
            keep=file.patients.keep,
        ),
        clear_given_none=file.copula.clear_given_none,
    )
    _check(path, result)
    return result


def _check(path: Path, figures: Calibration) -> None:
    k = len(figures.labels)
    if len(figures.latent.thresholds) != k or [len(r) for r in figures.latent.factor] != list(
        range(1, k + 1)
    ):
        raise DataError(f"{path}, copula: not of {k} labels; fit it anew")
    for label in figures.labels:
        shares = (label.positive, label.negative, label.uncertain)
        if (
            min(shares) < 0
            or sum(shares) > 1
            or not 0 <= label.recall <= 1
            or not 0 <= label.habit <= 1
        ):
            raise DataError(f"{path}, label {label.name}: its shares are no shares")
    names = {label.name for label in figures.labels}
    for pair in figures.pairs:
        if len(pair) != 2 or not pair <= names:
            raise DataError(f"{path}, cooccurrence: {' and '.join(sorted(pair))} is no pair")
    if abs(sum(figures.reports_per_patient) - 1.0) > 1e-9:
        raise DataError(f"{path}, patients: the shares do not sum to 1")


def refit(figures: Calibration, draws: int = 400_000, seed: int = 0) -> str:
    """The [copula] table for these rates and phi coefficients, as TOML: run it after a change.

    clear_given_none comes from `draws` normal vectors: what share has no positive pathology.
    """
    latent = fit([x.positive for x in figures.labels], figures.phi(), figures.latent.keep)
    share = figures.clear / none_positive(figures, latent, draws, seed) if figures.clear else 1.0
    rows = ",\n".join("  " + str(list(row)) for row in latent.factor)
    return (
        f"[copula]\nthresholds = {list(latent.thresholds)}\n"
        f"clear_given_none = {share:.4f}\nfactor = [\n{rows},\n]\n"
    )


def none_positive(figures: Calibration, latent: Latent, draws: int, seed: int = 0) -> float:
    """Share of reports without a positive pathology under the copula."""
    k = len(figures.labels)
    factor = np.zeros((k, k))
    for i, row in enumerate(latent.factor):
        factor[i, : i + 1] = row
    g = np.random.default_rng(seed).standard_normal((draws, k))
    there = g @ factor.T > np.array(latent.thresholds)
    counted = [label.pathology for label in figures.labels]
    return float((~there[:, counted].any(axis=1)).mean())
