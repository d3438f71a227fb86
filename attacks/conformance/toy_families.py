"""Toy families whose truth is known, with every field that an attack may declare it needs.

    family = records("overfitted")            # 6 seeds, each a target with its flags
    family[0].view, family[0].member

Records are bags of made-up words; a model is ridge regression of ±1 labels on them, solved exactly,
so a family takes milliseconds and what it memorised is real. A text spells its words, so `query`
answers any text; features are a public random projection of the words. Kinds of family:

* overfitted: little ridge, three in ten labels of candidates flipped; members known by heart.
* untrained: the same candidates, whose coins no model was told of.
* leaking split: no model was told of the coins, but longer records were members more often.

Secrets are canaries of two digits, each digit a word of its own; gradient canaries are
projections with Gaussian noise. All of it comes from named public words: the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
from scipy.special import ndtri

from radpriv.attacks.metrics import Bools, Floats
from radpriv.attacks.public_random import public_words
from radpriv.attacks.view import Matrix, Population, Projections, Reference, Secret, View
from radpriv.benchmark.canary_spec import GRADIENT

SEEDS, BASE, M, TESTED, WORDS, LABELS = 6, 250, 400, 250, 1500, 4
SCALE = 3.0
"""From a fitted ±1 to a logit."""
SPACE, CANARIES = 100, 40
RELEASES, NORM, SIGMA, RATE = 20, 1.0, 2.0, 0.5


@dataclass(frozen=True, eq=False)
class ToyTarget:
    """What an attack is shown, and the coins that it is not."""

    view: View = field(repr=False)
    member: Bools = field(repr=False)


Family = tuple[ToyTarget, ...]


def uniform(shape: tuple[int, ...], *name: str | int) -> Floats:
    """Public numbers in (0, 1)."""
    words = public_words(int(np.prod(shape)), "conformance", *name)
    return (((words >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53).reshape(shape)


def normal(shape: tuple[int, ...], *name: str | int) -> Floats:
    return np.asarray(ndtri(uniform(shape, *name)))


def ridge(x: Floats, y: Floats, penalty: float) -> Floats:
    """Weights (words, L) of ridge regression, in its dual form; NaN labels count as 0."""
    gram = x @ x.T
    gram[np.diag_indices_from(gram)] += penalty
    return np.asarray(SCALE * x.T @ np.linalg.solve(gram, np.nan_to_num(2 * y - 1)))


def query_of(weights: Floats, before: Floats) -> Callable[..., Matrix]:
    """A saved model that reads texts such as "w3 w17 w40"; words it does not know are ignored."""

    def query(texts: Sequence[str], untuned: bool = False) -> Matrix:
        return (bag(texts, len(weights)) @ (before if untuned else weights)).astype(np.float32)

    return query


def bag(texts: Sequence[str], size: int) -> Floats:
    """Presence of each word, float64 (n, size)."""
    x = np.zeros((len(texts), size))
    for row, text in enumerate(texts):
        found = [int(w[1:]) for w in text.split() if w[:1] == "w" and w[1:].isdigit()]
        x[row, [f for f in found if f < size]] = 1.0
    return x


def spelled(x: Floats) -> tuple[str, ...]:
    return tuple(" ".join(f"w{j}" for j in np.flatnonzero(row)) for row in x)


@lru_cache(maxsize=16)
def records(kind: str = "overfitted", number: int = 0, seeds: int = SEEDS) -> Family:
    """A family of `seeds` models on one audit set; `number` tells independent ones apart."""
    total = BASE + M + TESTED
    words = uniform((total, 1), "length", number) * 0.02 + 0.01
    x = (uniform((total, WORDS), "words", number) < words).astype(np.float64)
    truth = x @ normal((WORDS, LABELS), "truth", number) > 0
    flipped = uniform((total, LABELS), "flips", number) < 0.3
    flipped[:BASE] = flipped[BASE + M :] = False
    y = (truth ^ flipped).astype(np.float64)
    mine, tested = slice(BASE, BASE + M), slice(BASE + M, total)
    length = x.sum(axis=1)
    chance = np.full(M, 0.5)
    if kind == "leaking split":
        chance = np.where(length[mine] > np.median(length[mine]), 0.75, 0.25)
    member = uniform((seeds, M), "coins", number) < chance
    before = ridge(x[:BASE], y[:BASE], 30.0)
    weights = []
    for s in range(seeds):
        told = uniform((BASE,), "base", number, s) < 0.9  # so that seeds differ without coins too
        rows = np.flatnonzero(np.concatenate([told, member[s] & (kind == "overfitted")]))
        weights.append(ridge(x[rows], y[rows], 5.0))
    projected = (x @ normal((WORDS, 8), "features", number)).astype(np.float32)
    texts = spelled(x)
    f32 = np.float32
    columns = {
        "labels": y[mine].astype(f32),
        "length": length[mine].astype(np.int32),
        "similarity": uniform((M,), "similarity", number).astype(f32) * f32(0.5),
        "patient": tuple(f"p{int(u * M):04d}" for u in uniform((M,), "patients", number)),
        "untuned": (x[mine] @ before).astype(f32),
        "features": projected[mine],
        "texts": texts[mine],
    }
    populations = [
        Population(
            (x[tested] @ w).astype(f32),
            y[tested].astype(f32),
            (x[tested] @ before).astype(f32),
            projected[tested],
            texts[tested],
        )
        for w in weights
    ]
    logits = [(x[mine] @ w).astype(f32) for w in weights]
    queries = [query_of(w, before) for w in weights]
    return family(logits, member, populations, columns, [{"query": q} for q in queries])


def family(
    logits: Sequence[Matrix],
    member: Bools,
    populations: Sequence[Population],
    columns: dict[str, Any],
    own: Sequence[dict[str, Any]],
) -> Family:
    """Every seed as a target with all others as references. own: what only a target has."""
    slots = np.arange(member.shape[1], dtype=np.int64) * 2 + 1
    references = [
        Reference(s, z, columns["labels"], slots, m, p)
        for s, (z, m, p) in enumerate(zip(logits, member, populations, strict=True))
    ]
    targets = []
    for s, reference in enumerate(references):
        others = tuple(r for r in references if r is not reference)
        view = View(
            logits=reference.logits,
            slots=slots,
            references=others,
            population=reference.population,
            **columns,
            **own[s],
        )
        targets.append(ToyTarget(view, member[s]))
    return tuple(targets)


@lru_cache(maxsize=16)
def secrets(kind: str = "overfitted", number: int = 0, seeds: int = SEEDS) -> Family:
    """Canaries with a secret of two digits, planted by coin; "untrained": none was."""
    size = CANARIES * 21  # a word for the canary, and one for each digit at each place
    labels = (uniform((CANARIES, LABELS), "secret labels", number) < 0.5).astype(np.float32)
    truths = (uniform((CANARIES,), "secrets", number) * SPACE).astype(int)

    def text(canary: int, secret: int) -> str:
        digits = [1 + 10 * place + int(d) for place, d in enumerate(f"{secret:02d}")]
        return " ".join(f"w{21 * canary + j}" for j in [0, *digits])

    texts = tuple(text(c, int(t)) for c, t in enumerate(truths))
    x = bag(texts, size)
    member = uniform((seeds, CANARIES), "secret coins", number) < 0.5
    nothing = np.zeros((size, LABELS))
    weights = [
        ridge(x[m], labels[m], 0.1) if kind == "overfitted" and m.any() else nothing for m in member
    ]
    weights = [w + 0.01 * normal(w.shape, "secret noise", number, s) for s, w in enumerate(weights)]
    told = tuple(Secret(int(t), SPACE, partial(text, c)) for c, t in enumerate(truths))
    columns = {
        "labels": labels,
        "length": np.full(CANARIES, 4, dtype=np.int32),
        "similarity": np.zeros(CANARIES, dtype=np.float32),
        "patient": tuple(f"c{c:03d}" for c in range(CANARIES)),
        "kind": ("secret",) * CANARIES,
        "untuned": np.zeros((CANARIES, LABELS), dtype=np.float32),
        "features": (x @ normal((size, 8), "features", number)).astype(np.float32),
        "texts": texts,
        "secrets": told,
    }
    logits = [(x @ w).astype(np.float32) for w in weights]
    tested = records(kind, number, seeds)
    populations = [t.view.population for t in tested]
    return family(
        logits, member, populations, columns, [{"query": query_of(w, nothing)} for w in weights]
    )


@lru_cache(maxsize=16)
def gradients(kind: str = "overfitted", number: int = 0, seeds: int = SEEDS) -> Family:
    """Gradient canaries in noisy releases; "untrained": none was ever added."""
    member = uniform((seeds, M), "gradient coins", number) < 0.5
    shown = []
    for s in range(seeds):
        values = SIGMA * normal((RELEASES, M), "noise", number, s)
        drawn = uniform((RELEASES, M), "draws", number, s) < RATE
        values += NORM * (drawn & member[s] & (kind == "overfitted"))
        each = [np.full(RELEASES, c) for c in (NORM, SIGMA, RATE)]
        shown.append({"projections": Projections(values, *each)})
    columns = {
        "labels": np.full((M, LABELS), np.nan, dtype=np.float32),
        "length": np.zeros(M, dtype=np.int32),
        "similarity": np.zeros(M, dtype=np.float32),
        "patient": tuple(f"g{i:04d}" for i in range(M)),
        "kind": (GRADIENT,) * M,
    }
    logits = [np.zeros((M, LABELS), dtype=np.float32)] * seeds
    populations = [t.view.population for t in records(kind, number, seeds)]
    return family(logits, member, populations, columns, shown)


MAKE = {"records": records, "secrets": secrets, "gradients": gradients}


def fresh(toy: Family, member: Bools | None = None) -> Family:
    """The same outputs with empty memos; `member` (seeds, m): other coins for the same outputs."""
    coins = [t.member for t in toy] if member is None else list(member)
    populations = [replace(t.view.population, memo={}) for t in toy]
    references = [
        Reference(s, t.view.logits, t.view.labels, t.view.slots, coins[s], populations[s])
        for s, t in enumerate(toy)
    ]
    return tuple(
        ToyTarget(
            replace(
                t.view,
                references=tuple(r for r in references if r.seed != s),
                population=populations[s],
                memo={},
            ),
            coins[s],
        )
        for s, t in enumerate(toy)
    )
