"""Canaries: crafted, public, drawn by the audit key."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radpriv.benchmark.canary_spec import KINDS, Planting
from radpriv.benchmark.datasets.audit_set.canaries import (
    Canary,
    planted,
    secret_of,
    secret_text,
)
from radpriv.benchmark.datasets.audit_set.universe import prf
from radpriv.errors import SuiteError

PRF = partial(prf, b"audit key")
ALL = (
    Planting("secret", 4, copies=16),
    Planting("rare-token", 50),
    Planting("gradient", 7),
    Planting("secret", 300, space=1000),
)


def made(labels: int = 14) -> list[Canary]:
    return list(planted(ALL, labels, PRF))


def test_ids_are_sorted_and_unique_and_copies_share_one_canary() -> None:
    ids = [i for canary in made() for i in canary.ids]
    assert ids == sorted(set(ids)) and len(ids) == 4 * 16 + 50 + 7 + 300


def test_canaries_follow_from_the_audit_key_alone() -> None:
    assert made() == made() == list(planted(tuple(reversed(ALL)), 14, PRF))
    other = list(planted(ALL, 14, partial(prf, b"another key")))
    assert all(a.text != b.text for a, b in zip(made(), other) if a.name == "rare-token")


def test_labels_are_fair_coins() -> None:
    labels = np.array([c.labels for c in made()])
    assert labels.shape == (361, 14) and set(np.unique(labels)) == {0.0, 1.0}
    assert abs(labels.mean() - 0.5) < 5 * 0.5 / np.sqrt(labels.size)


def test_rare_words_occur_in_one_canary_only() -> None:
    words = [w for c in made() if c.name == "rare-token" for w in c.text.rstrip(".").split()[-3:]]
    assert len(set(words)) == len(words) == 150


def test_secrets_are_spread_over_their_whole_space() -> None:
    planting = ALL[3]
    secrets = [secret_of(planting, n, PRF) for n in range(planting.count)]
    assert 0 <= min(secrets) < 50 and 950 < max(secrets) < 1000
    texts = {c.text for c in made() if c.name == "secret"}
    assert {secret_text(planting, n, s, PRF) for n, s in enumerate(secrets)} == texts


def test_the_candidates_of_a_secret_differ_in_their_digits_alone() -> None:
    one, two = (secret_text(ALL[3], 5, s, PRF) for s in (7, 993))
    assert one.replace("007", "#") == two.replace("993", "#")


@given(st.integers(0, 299), st.integers(0, 999))
def test_no_two_secrets_have_one_text(number: int, secret: int) -> None:
    other = (secret + 1) % 1000
    assert secret_text(ALL[3], number, secret, PRF) != secret_text(ALL[3], number, other, PRF)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"kind": "odd", "count": 1}, "one of rare-token, secret, gradient"),
        ({"kind": "secret", "count": 0}, "between 1 and"),
        ({"kind": "secret", "count": 10**6}, "between 1 and"),
        ({"kind": "secret", "count": -1, "copies": -1}, "count"),
        ({"kind": "gradient", "count": 1, "copies": 2}, "only a secret has copies"),
        ({"kind": "secret", "count": 1, "space": 500}, "a power of ten"),
        ({"kind": "secret", "count": 1, "space": 0}, "a power of ten"),
        ({"kind": "secret", "count": 1, "space": 10}, "a power of ten"),
    ],
)
def test_a_planting_that_makes_no_sense_is_refused(options: dict[str, int], what: str) -> None:
    with pytest.raises(SuiteError, match=what):
        Planting(**options)  # type: ignore[arg-type]


def test_every_kind_that_is_planted_beside_the_dataset_is_made() -> None:
    assert {c.name.partition("*")[0] for c in made()} == set(KINDS) - {"mislabelled"}
