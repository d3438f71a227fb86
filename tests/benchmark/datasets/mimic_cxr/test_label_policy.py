"""Uncertain and blank labels under each policy, and one identity per policy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radpriv.benchmark.datasets.mimic_cxr.label_policy import Policy, canonical_uncertain
from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_loader import MimicCXR
from radpriv.errors import SuiteError

LABELS = ("No Finding", "Edema", "Fracture", "Atelectasis")
ROW = (math.nan, 0.0, 1.0, -1.0)  # blank, 0.0, 1.0, -1.0
POLICIES = ("positive", "negative", "ignore")


@pytest.mark.parametrize(
    ("uncertain", "blank", "expected"),
    [
        ("negative", "negative", (0.0, 0.0, 1.0, 0.0)),
        ("positive", "negative", (0.0, 0.0, 1.0, 1.0)),
        ("ignore", "negative", (0.0, 0.0, 1.0, math.nan)),
        ("negative, Atelectasis=positive", "negative", (0.0, 0.0, 1.0, 1.0)),
        ("positive, Atelectasis=negative", "negative", (0.0, 0.0, 1.0, 0.0)),
    ],
)
def test_blank_zero_one_and_uncertain_follow_the_policy(
    uncertain: str, blank: str, expected: tuple[float, ...]
) -> None:
    """Blank, zero, one and uncertain become what the policy says."""
    row = Policy.of(uncertain, blank, LABELS).apply(ROW)
    np.testing.assert_array_equal(row, expected)


def test_a_policy_of_one_label_leaves_the_others_alone() -> None:
    policy = Policy.of("ignore, Edema=positive, Fracture = negative", "ignore", LABELS)
    np.testing.assert_array_equal(policy.apply((-1.0,) * 4), (math.nan, 1.0, 0.0, math.nan))


def test_ignored_blank_is_masked_but_a_blank_no_finding_is_a_no() -> None:
    """A blank is masked where ignored, but a blank "no finding" is a no."""
    policy = Policy.of("ignore", "ignore", LABELS)
    np.testing.assert_array_equal(policy.apply((math.nan,) * 4), (0.0, *[math.nan] * 3))


@given(
    st.lists(st.sampled_from((1.0, 0.0, -1.0, math.nan)), min_size=4, max_size=4),
    st.sampled_from(POLICIES),
    st.sampled_from(("negative", "ignore")),
    st.dictionaries(st.sampled_from(LABELS), st.sampled_from(POLICIES)),
)
def test_what_was_observed_is_never_changed(
    states: list[float], default: str, blank: str, special: dict[str, str]
) -> None:
    option = ", ".join([default, *(f"{label}={policy}" for label, policy in special.items())])
    for state, value in zip(states, Policy.of(option, blank, LABELS).apply(states)):
        assert value == state if state in (0.0, 1.0) else value in (0.0, 1.0) or value != value


@given(st.permutations(LABELS), st.sampled_from(POLICIES), st.sampled_from(POLICIES))
def test_two_spellings_of_a_policy_are_one(order: list[str], one: str, two: str) -> None:
    spelt = f"{one} ,{order[0]}={two},  {order[1]} = {one}"
    expected = one if one == two else f"{one}, {order[0]}={two}"
    assert canonical_uncertain(spelt, LABELS) == expected
    assert canonical_uncertain(expected, LABELS) == expected


def test_two_policies_are_two_sets_of_options_and_two_cards() -> None:
    one, two = MimicCXR(uncertain="positive"), MimicCXR(uncertain="negative")
    assert one.options() != two.options() and one != two
    assert "uncertain (-1): positive; blank: negative" in one.card.labels_from
    assert "uncertain (-1): negative" in two.card.labels_from
    assert MimicCXR(uncertain="ignore,Edema=ignore") == MimicCXR()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"uncertain": "maybe"}, "'maybe' is none of positive, negative, ignore"),
        ({"uncertain": "ignore, Edma=positive"}, "did you mean 'Edema'?"),
        ({"uncertain": "ignore, Edema"}, "'Edema' is no new label=policy"),
        ({"uncertain": "ignore, Edema=positive, Edema=negative"}, "'Edema=negative' is no new"),
        ({"uncertain": "ignore, Edema=yes"}, "'yes' is none of"),
        ({"blank": "positive"}, "option 'blank' = 'positive': one of negative, ignore"),
        ({"text": "findings"}, "one of labelled-section, findings+impression, impression"),
        ({"labeller": "chexbert"}, "one of chexpert, negbio"),
        ({"test_labels": "gold"}, "one of official, radiologist"),
    ],
)
def test_an_option_without_sense_is_refused_with_those_that_have(
    options: dict[str, str], said: str
) -> None:
    with pytest.raises(SuiteError) as caught:
        MimicCXR(**options)
    assert str(caught.value).startswith("dataset 'mimic-cxr': option '") and said in str(
        caught.value
    )
