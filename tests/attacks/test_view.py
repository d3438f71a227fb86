"""The view holds no flag of the target; the scorer checks what an attack answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from radpriv.attacks.view import Population, Reference, Scorer, View
from radpriv.errors import AttackError

M, L = 6, 2
MEMBER = np.array([True, False, True, True, False, False])


def make_view() -> View:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((M, L)).astype(np.float32)
    labels = np.zeros((M, L), dtype=np.float32)
    slots = np.arange(M, dtype=np.int64)
    population = Population(logits[:3], labels[:3])
    other = Reference(1, logits + 1, labels, slots, ~MEMBER, population)
    return View(
        logits=logits,
        labels=labels,
        slots=slots,
        length=np.full(M, 9, dtype=np.int32),
        similarity=np.zeros(M, np.float32),
        patient=tuple("abcdef"),
        references=(other,),
        population=population,
    )


def leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Every field in the object, however deep."""
    for f in fields(value):
        item = getattr(value, f.name)
        for part in item if isinstance(item, tuple) else (item,):
            if is_dataclass(part):
                yield from leaves(part)
            else:
                yield f.name, part


def test_no_flag_of_the_target_is_anywhere_in_its_view() -> None:
    found = dict(leaves(make_view()))
    assert {"logits", "labels", "slots", "member"} <= set(found)  # the walk reaches references
    flags = [v for _, v in leaves(make_view()) if getattr(v, "dtype", None) == np.bool_]
    assert len(flags) == 1 and np.array_equal(flags[0], ~MEMBER)
    assert not any("member" in f.name or "flag" in f.name for f in fields(View))
    assert "True" not in repr(make_view())


def test_attack_cannot_change_what_the_next_one_sees() -> None:
    view = make_view()
    with pytest.raises(ValueError, match="read-only"):
        view.logits[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        view.references[0].member[0] = True
    with pytest.raises(AttributeError):
        view.slots = view.slots  # type: ignore[misc]


def test_locking_a_view_leaves_the_callers_arrays_writable() -> None:
    logits = np.zeros((2, 1), dtype=np.float32)
    Population(logits, logits)
    logits[0, 0] = 1.0


def test_references_with_other_candidates_are_refused() -> None:
    view = make_view()
    shifted = replace(view.references[0], slots=view.slots + 1)
    with pytest.raises(AttackError, match="seed 1 has other candidates"):
        replace(view, references=(shifted,))


def test_columns_of_unequal_length_are_refused() -> None:
    view = make_view()
    with pytest.raises(AttackError, match="one entry per slot"):
        replace(view, patient=("a",))
    with pytest.raises(AttackError, match="logits"):
        replace(view, logits=view.logits[:3])
    with pytest.raises(AttackError, match="boolean flag"):
        replace(view.references[0], member=np.zeros(M))


def test_scorer_joins_flags_to_a_good_answer_as_float64() -> None:
    scores, member = Scorer(MEMBER).join("mine", np.arange(M, dtype=np.float32))
    assert scores.dtype == np.float64 and scores.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.array_equal(member, MEMBER)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.zeros(M - 1), r"shape \(6,\)"),
        (np.zeros((M, 1)), r"shape \(6,\)"),
        ([0.0] * M, "answered list"),
        (None, "answered NoneType"),
        (np.zeros(M, dtype=np.int64), "int64: return floats"),
        (np.array([0, np.nan, 0, np.inf, 0, 0]), "2 of 6 scores are not finite"),
    ],
)
def test_scorer_refuses_a_malformed_answer_by_name(answer: object, words: str) -> None:
    """The scorer refuses a malformed answer by the attack's name."""
    with pytest.raises(AttackError, match=words) as caught:
        Scorer(MEMBER).join("mine", answer)
    assert "'mine'" in str(caught.value)
