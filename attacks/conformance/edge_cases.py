"""Views that are legitimate and awkward: labels unobserved, no references, coins of one side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from radpriv.attacks.view import Population, Reference, View


def edge_case_views(view: View, on: str) -> dict[str, View]:
    """By what is odd about them; only what can happen to candidates of this kind."""
    m = len(view)
    yes = np.ones(m, dtype=np.bool_)
    found = {
        "no references": with_references(view, ()),
        "one reference": with_references(view, view.references[:1]),
        "references of members alone": flagged(view, yes),
        "references without members": flagged(view, ~yes),
        "a single test record": single(view),
        "two candidates": view.only(np.array([0, m // 2])),
    }
    if on == "gradients":
        return found
    found["labels that nobody observes"] = relabelled(view, np.ones_like(view.labels, np.bool_))
    if on == "records":
        hidden = np.indices(view.labels.shape).sum(axis=0) % 3 == 0
        hidden[::7] = True
        hidden[:, -1] = True
        found |= {
            "a third of labels, some records and one label unobserved": relabelled(view, hidden),
            "one label": view.label(0),
            "equal logits": mapped(view, lambda z: np.zeros_like(z)),
            "logits of ±10,000": mapped(view, lambda z: np.sign(z) * np.float32(1e4)),
        }
    return found


def with_references(view: View, references: tuple[Reference, ...]) -> View:
    return replace(view, references=references, memo={})


def flagged(view: View, member: np.ndarray) -> View:
    """Every reference with these coins."""
    return with_references(view, tuple(replace(r, member=member, memo={}) for r in view.references))


def relabelled(view: View, hidden: np.ndarray) -> View:
    """These labels (m, L) unobserved in every model."""
    labels = np.where(hidden, np.float32(np.nan), view.labels)
    references = tuple(replace(r, labels=labels, memo={}) for r in view.references)
    return replace(view, labels=labels, references=references, memo={})


def mapped(view: View, change: Callable[[np.ndarray], np.ndarray]) -> View:
    """All logits, of candidates and test records in every model, changed alike."""

    def of_population(p: Population) -> Population:
        untuned = None if p.untuned is None else change(p.untuned)
        return replace(p, logits=change(p.logits), untuned=untuned, memo={})

    references = tuple(
        replace(r, logits=change(r.logits), population=of_population(r.population), memo={})
        for r in view.references
    )
    return replace(
        view,
        logits=change(view.logits),
        untuned=None if view.untuned is None else change(view.untuned),
        references=references,
        population=of_population(view.population),
        memo={},
    )


def single(view: View) -> View:
    """The first test record is the only one, for every model."""

    def first(population: Population) -> Population:
        cut: dict[str, Any] = {
            f.name: getattr(population, f.name)[:1]
            for f in fields(population)
            if f.name != "memo" and getattr(population, f.name) is not None
        }
        return replace(population, memo={}, **cut)

    references = tuple(replace(r, population=first(r.population), memo={}) for r in view.references)
    return replace(view, population=first(view.population), references=references, memo={})
