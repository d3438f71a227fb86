"""Canaries in the universe: candidates beside the dataset's own, which stay what they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from radpriv.benchmark.canary_spec import Planting
from radpriv.benchmark.cell import AuditPolicy
from radpriv.benchmark.datasets.audit_set.similarity import COPY, similarities
from radpriv.benchmark.datasets.audit_set.universe import Universe, draw
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.texts import Texts
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.suite import parse, read_suite
from radpriv.errors import DataError, SuiteError

ALL = (
    Planting("secret", 3, copies=4),
    Planting("secret", 10, space=1000),
    Planting("rare-token", 20),
    Planting("gradient", 6),
)
POLICY = AuditPolicy(share=0.5, planted=ALL)


def drawn(data: Dataset, policy: AuditPolicy = POLICY, seed: int = 0) -> Universe:
    most = 2 if policy.unit == "patient" else None
    return draw(data, policy, b"audit", 30, seed, most)


def test_the_dataset_s_own_records_stay_what_they_were(made_up: Dataset) -> None:
    plain, whole = drawn(made_up, replace(POLICY, planted=())), drawn(made_up)
    own = whole.take(np.flatnonzero(~whole.canary))
    for name in ("ids", "patients", "texts", "kinds"):
        assert getattr(own, name) == getattr(plain, name)
    for name in ("candidate", "member", "y"):
        np.testing.assert_array_equal(getattr(own, name), getattr(plain, name))
    assert whole.canary.sum() == 3 * 4 + 10 + 20 + 6


def test_slots_and_units_follow_the_order_of_ids(made_up: Dataset) -> None:
    whole = drawn(made_up)
    assert list(whole.ids) == sorted(whole.ids)
    np.testing.assert_array_equal(whole.unit, np.arange(len(whole)))  # a report each
    assert whole.units == len(whole)
    names = {"rare-token", "secret", "secret*4", "gradient"}
    assert set(whole.kinds) == names | {"", "natural"}
    assert whole.candidate[whole.canary].all()


def test_copies_share_a_coin_and_every_canary_has_its_own(made_up: Dataset) -> None:
    """In each of 200 seeds; the coins of different canaries are fair and uncorrelated."""
    coins = []
    for seed in range(200):
        whole = drawn(made_up, seed=seed)
        by_canary: dict[str, set[bool]] = {}
        for i in np.flatnonzero(whole.canary):
            by_canary.setdefault(whole.patients[i], set()).add(bool(whole.member[i]))
        assert all(len(v) == 1 for v in by_canary.values())
        coins.append([v.copy().pop() for v in by_canary.values()])
    table = np.array(coins, float)
    assert table.shape == (200, 39)
    assert stats.binomtest(int(table.sum()), table.size).pvalue > 1e-4
    correlation = np.corrcoef(table.T)[np.triu_indices(39, 1)]
    assert np.abs(correlation).max() < 5.5 / np.sqrt(200)


def test_canary_is_one_capped_unit_under_a_claim_for_patients(made_up: Dataset) -> None:
    """For a claim about patients, a canary is one unit and is capped."""
    whole = drawn(made_up, AuditPolicy(share=0.5, unit="patient", planted=ALL))
    copies = Counter(whole.patients[i] for i in np.flatnonzero(whole.canary))
    assert max(copies.values()) == 2 and len(copies) == 39
    units = {whole.patients[i]: int(whole.unit[i]) for i in range(len(whole))}
    assert all(whole.unit[i] == units[whole.patients[i]] for i in range(len(whole)))
    assert len(set(units.values())) == len(units) == whole.units


def test_only_gradient_canaries_have_a_direction(made_up: Dataset) -> None:
    whole = drawn(made_up)
    assert whole.points is not None
    np.testing.assert_array_equal(whole.gradient, [k == "gradient" for k in whole.kinds])
    found = whole.points[whole.gradient]
    assert ((found >= 0) & (found < 1)).all() and len(set(found)) == 6


def test_mislabelled_share_of_candidates_follows_a_rule_on_each(made_up: Dataset) -> None:
    """A share of candidates is mislabelled by a rule about each alone."""
    policy = AuditPolicy(share=1.0, planted=(Planting("mislabelled", share=0.5),))
    plain, some = drawn(made_up, replace(policy, planted=())), drawn(made_up, policy)
    flipped = np.array([k == "mislabelled" for k in some.kinds])
    assert 4 < flipped.sum() < 26
    np.testing.assert_array_equal(some.y[flipped], 1 - plain.y[flipped])
    np.testing.assert_array_equal(some.y[~flipped], plain.y[~flipped])
    np.testing.assert_array_equal(some.member, plain.member)
    keep = np.arange(len(made_up)) != 1
    less = replace(
        made_up,
        **{n: tuple(np.array(getattr(made_up, n))[keep]) for n in ("ids", "patients", "splits")},
        texts=tuple(np.array(made_up.texts)[keep]),
        y=made_up.y[keep],
    )
    kinds = dict(zip(drawn(less, policy).ids, drawn(less, policy).kinds))
    assert kinds == {i: k for i, k in zip(some.ids, some.kinds) if i in kinds} and len(kinds) == 29


def test_texts_on_disk_stay_there(made_up: Dataset) -> None:
    column = pa.chunked_array([pa.array(list(made_up.texts), pa.large_string())])
    mapped = drawn(replace(made_up, texts=Texts(column)))
    assert isinstance(mapped.texts, Texts) and mapped.texts == drawn(made_up).texts


@pytest.mark.parametrize("policy", [POLICY, AuditPolicy(share=0.5)])
@pytest.mark.parametrize("field", ["ids", "patients"])
def test_a_record_that_is_named_like_a_canary_is_refused(
    made_up: Dataset, field: str, policy: AuditPolicy
) -> None:
    names = ("a", "canary/mine", *made_up.ids[2:])  # the first is a test record
    with pytest.raises(DataError, match="training record 1 begins with 'canary/'"):
        drawn(replace(made_up, **{field: names}), policy)


def test_canaries_are_nobody_s_neighbours(made_up: Dataset) -> None:
    plain, whole = drawn(made_up, replace(POLICY, planted=())), drawn(made_up)
    before = similarities(plain, np.flatnonzero(plain.candidate), FeatureCache(None))
    slots = np.flatnonzero(whole.candidate)
    after = similarities(whole, slots, FeatureCache(None))
    np.testing.assert_array_equal(after[~whole.canary[slots]], before)
    copies = np.array([k == "secret*4" for k in whole.kinds])[slots]
    assert copies.sum() == 12 and (after[copies] < COPY).all()


SUITE = """
epsilons = [1.0]
canaries = [{kind = "rare-token", count = 5}, {kind = "secret", count = 2, copies = 3}]
[[datasets]]
name = "synthetic-plain"
n_public = 90
options = { reports = 120 }
[[methods]]
name = "tfidf"
"""


def ids_of(text: str) -> list[str]:
    return [j.cell.id for j in expand(parse(text, "here", "made"), None)]


def test_a_suite_names_its_canaries_and_the_cells_know_them() -> None:
    jobs = expand(parse(SUITE, "here", "made"), None)
    cells = {j.role: j.cell for j in jobs}
    assert [p.name for p in cells["cell"].audit.planted] == ["rare-token", "secret*3"]
    assert cells["control"].audit.planted == () and cells["control"].audit.canaries != "natural"
    assert len(cells["cell"].as_dict()["audit"]["planted"]) == 2


def test_canary_ids_depend_on_their_number_and_not_their_order() -> None:
    """The order of canaries changes no id, and their number does."""
    one, two = '{kind = "rare-token", count = 5}', '{kind = "secret", count = 2, copies = 3}'
    assert ids_of(SUITE) == ids_of(SUITE.replace(f"[{one}, {two}]", f"[{two}, {one}]"))
    assert ids_of(SUITE)[0] != ids_of(SUITE.replace("count = 5", "count = 6"))[0]
    without = SUITE.replace("canaries = [" + f"{one}, {two}]", "")
    assert ids_of(SUITE)[0] != ids_of(without)[0] and "planted" not in str(
        expand(parse(without, "here", "made"), None)[0].cell.as_dict()
    )


@pytest.mark.parametrize(
    ("canaries", "what"),
    [
        ('[{kind = "yellow", count = 1}]', "canaries of kind 'yellow': one of rare-token"),
        ('[{kind = "secret", cuont = 1}]', "unknown key 'cuont'.*count"),
        ('[{kind = "secret", count = "1"}]', "count = '1': expected a whole number"),
        ('["secret"]', "expected a list of tables"),
        ('[{kind = "mislabelled", count = 3}]', "give a fraction"),
        ('[{kind = "mislabelled", share = 0.5, count = 3}]', "and no count"),
        ('[{kind = "secret", count = 3, share = 0.5}]', "give a count"),
        ('[{kind = "secret", count = 3}, {kind = "secret", count = 2}]', "'secret' comes twice"),
        ('[{kind = "mislabelled", share = 1.0}]', "all of them is the positive control"),
        ('[{kind = "secret", count = 30, copies = 4}]', "120 records of canaries.*outnumber"),
    ],
)
def test_canaries_that_make_no_sense_are_refused_with_a_sentence(canaries: str, what: str) -> None:
    text = (
        SUITE[: SUITE.index("canaries")] + f"canaries = {canaries}\n" + SUITE[SUITE.index("[[") :]
    )
    with pytest.raises(SuiteError, match=what):
        expand(parse(text, "here", "made"), None)


def test_canaries_are_named_in_the_key_of_the_noise(write_suite: Callable[..., Path]) -> None:
    """Else two arrangements of one dataset would share their noise."""
    from radpriv.benchmark.runs.runner import _run_key

    keys = set()
    for canaries in ("[]", '[{kind = "gradient", count = 5}]', '[{kind = "gradient", count = 6}]'):
        suite = write_suite("dp_bow", canaries=canaries)
        keys.add(_run_key(expand(read_suite(str(suite)), None)[0], suite.parent, False)[0])
    assert len(keys) == 3


def test_canary_of_more_copies_than_the_patient_cap_is_refused() -> None:
    """A canary of more copies than a patient may have is refused."""
    text = 'unit = "patient"\n' + SUITE.replace("copies = 3", "copies = 17")
    with pytest.raises(SuiteError, match=r"'secret\*17': a patient has at most per_patient = 16"):
        expand(parse(text, "here", "made"), None)
    assert expand(parse(text.replace("copies = 17", "copies = 16"), "here", "made"), None)


def test_a_canary_has_another_coin_in_another_dataset(made_up: Dataset) -> None:
    """Else the tables of two datasets would show one draw of coins twice."""
    one, two = drawn(made_up), drawn(replace(made_up, name="another"))
    assert one.ids == two.ids
    np.testing.assert_array_equal(one.member[~one.canary], two.member[~two.canary])
    assert (one.member[one.canary] != two.member[two.canary]).any()
