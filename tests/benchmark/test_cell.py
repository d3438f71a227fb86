"""Budgets, default δ and the identity of cells (benchmark/cell.py)."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radpriv.benchmark.cell import AuditPolicy, Budget, Cell, canonical, default_delta, digest
from radpriv.errors import SuiteError

CELL = Cell(
    dataset="openi",
    dataset_identity={"loader": "openi", "options": {"holdout": "test"}, "sha256": ["ab", "cd"]},
    encoder="minilm",
    encoder_sha256="e5",
    method="dp_lora",
    params={"steps": 100, "rate": 0.05, "top": 2},
    public=("synthetic-plain",),
    budget=Budget.of(1.0, 2200),
    n_public=2200,
    seed=0,
    suite_key_sha256="aa",
    noise_mode="replayable",
    audit=AuditPolicy(key_sha256="bb"),
)


@pytest.mark.parametrize("epsilon", [0, 0.0, -0.0, -1, -math.inf, math.nan, "1", None, True])
def test_epsilon_that_is_not_positive_is_refused_in_one_line(epsilon: Any) -> None:
    """An ε that is no positive number is refused in one line."""
    for make in (lambda: Budget(epsilon, 1e-5), lambda: Budget.of(epsilon, 2200)):
        with pytest.raises(SuiteError, match=r"^epsilon = ") as error:
            make()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("delta", [0, 0.0, -1e-5, 1, 1.0, 2, math.nan, math.inf, "1e-5", True])
def test_a_delta_that_is_no_probability_is_refused_in_one_line(delta: Any) -> None:
    for make in (lambda: Budget(1.0, delta), lambda: Budget.of(1.0, 2200, delta)):
        with pytest.raises(SuiteError, match=r"^delta = ") as error:
            make()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("n_public", "delta"),
    [
        (1, 0.1),
        (2, 0.01),
        (10, 1e-2),
        (11, 1e-3),
        (999, 1e-4),
        (1_000, 1e-4),
        (1_001, 1e-5),
        (2_200, 1e-5),
        (10_000, 1e-5),
        (10**12 + 1, 1e-14),
    ],
)
def test_the_default_delta_is_tabulated(n_public: int, delta: float) -> None:
    assert default_delta(n_public) == delta
    assert Budget.of(1.0, n_public).delta == delta


@given(st.integers(1, 10**15))
def test_default_delta_is_a_power_of_ten_up_to_a_tenth_over_n(n: int) -> None:
    """The default δ is the largest power of ten up to a tenth of 1/n."""
    exponent = round(math.log10(default_delta(n)))
    assert default_delta(n) == float(f"1e{exponent}")
    bound = Fraction(1, 10 * n)
    assert Fraction(10) ** exponent <= bound < Fraction(10) ** (exponent + 1)


@pytest.mark.parametrize("n_public", [0, -5])
def test_a_default_delta_needs_at_least_one_unit(n_public: int) -> None:
    with pytest.raises(SuiteError, match=rf"n_public = {n_public}"):
        default_delta(n_public)


def test_a_delta_that_would_pay_for_a_whole_record_is_refused() -> None:
    for delta in (1 / 1000, 0.01, 0.5):
        with pytest.raises(SuiteError, match=r"at least 1/n_public \(0\.001\)"):
            Budget.of(1.0, 1000, delta)
    assert Budget.of(1.0, 1000, 9.9e-4).delta == 9.9e-4


def test_a_unit_or_an_adjacency_that_is_not_offered_is_refused() -> None:
    with pytest.raises(SuiteError, match=r"unit = 'word': one of report, patient"):
        Budget(1.0, 1e-5, unit="word")
    with pytest.raises(SuiteError, match=r"audit unit = 'word': one of report, patient"):
        AuditPolicy(unit="word")
    with pytest.raises(SuiteError, match=r"adjacency = 'replace'"):
        Budget(1.0, 1e-5, adjacency="replace")


def test_an_infinite_budget_is_not_private_and_has_no_delta() -> None:
    budget = Budget.of(math.inf, 2200)
    assert not budget.private and budget.delta == 0.0
    assert budget == Budget(math.inf, 0.0) == Budget(math.inf, 1e-5)
    assert Budget.of(10, 2200).private


@pytest.mark.parametrize("share", [0, -0.1, 1.5, math.nan])
def test_a_share_of_candidates_that_is_no_fraction_is_refused(share: float) -> None:
    with pytest.raises(SuiteError, match=r"audit share = "):
        AuditPolicy(share=share)


def test_default_share_gives_a_thousand_candidates_or_a_fifth() -> None:
    """The default share gives a thousand candidates or a fifth, whichever is less."""
    assert AuditPolicy().rate(2_000) == pytest.approx(0.2)
    assert AuditPolicy().rate(100_000) == pytest.approx(0.01)
    assert AuditPolicy(share=0.5).rate(100_000) == 0.5


def test_an_unknown_canary_or_noise_mode_is_refused() -> None:
    with pytest.raises(SuiteError, match=r"audit canaries = 'yellow'"):
        AuditPolicy(canaries="yellow")
    with pytest.raises(SuiteError, match=r"noise mode 'pink'"):
        replace(CELL, noise_mode="pink")


def test_the_id_of_a_known_cell_never_changes() -> None:
    # A new value here means that every stored result is orphaned: raise the schema, then pin anew.
    assert CELL.id == "openi.minilm.dp_lora.eps1.s0-8f7cb13ae232e1ec"
    assert CELL.family == "4994838d9bbf172d"


def test_id_head_names_the_axes_and_is_a_safe_file_name() -> None:
    """The head of an id names the axes and is a safe file name."""
    cell = replace(
        CELL,
        dataset="../../a b",
        encoder="",
        budget=Budget.of(math.inf, 2200),
        seed=7,
        audit=AuditPolicy(canaries="mislabelled"),
        method="m" * 90,
    )
    head, _, tail = cell.id.rpartition("-")
    assert head == f"_a_b.{'m' * 40}.epsinf.mislabelled.s7"
    assert len(tail) == 16 and set(tail) <= set("0123456789abcdef")


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
mappings = st.dictionaries(st.text(max_size=5), values, max_size=5)


def backwards(value: Any) -> Any:
    """The same value with every mapping filled in the opposite order."""
    if isinstance(value, dict):
        return {k: backwards(v) for k, v in reversed(value.items())}
    return [backwards(v) for v in value] if isinstance(value, list) else value


@given(mappings, mappings)
def test_the_order_of_mappings_does_not_change_an_id(
    identity: dict[str, Any], params: dict[str, Any]
) -> None:
    one = replace(CELL, dataset_identity=identity, params=params)
    other = replace(CELL, dataset_identity=backwards(identity), params=backwards(params))
    assert (one.id, one.family) == (other.id, other.family)


@given(mappings)
def test_canonical_form_loses_nothing_so_two_values_share_no_id(
    value: dict[str, Any],
) -> None:
    """The canonical form loses nothing, so two values never share an id."""
    assert json.loads(canonical(value)) == value


CHANGES: dict[str, Any] = {
    "dataset": "synthetic-plain",
    "dataset_identity": {**CELL.dataset_identity, "sha256": ["ab", "ce"]},
    "encoder": "bert-small",
    "encoder_sha256": "e6",
    "method": "lora",
    "params": {**CELL.params, "rate": 0.051},
    "public": (),
    "budget": Budget.of(10.0, 2200),
    "n_public": 2201,
    "seed": 1,
    "suite_key_sha256": "ab",
    "noise_mode": "secret",
    "audit": AuditPolicy(key_sha256="bc"),
    "limited": 50,
    "per_patient": 4,
}
PATIENT = replace(
    CELL,
    budget=Budget(1.0, 1e-5, "patient"),
    audit=replace(CELL.audit, unit="patient"),
    per_patient=8,
)


def test_every_field_of_a_cell_has_a_change_below() -> None:
    assert list(CHANGES) == [f.name for f in fields(Cell)]


@pytest.mark.parametrize("name", list(CHANGES))
def test_id_changes_with_every_field_and_family_all_but_the_seed(name: str) -> None:
    """The id changes with every field, and the family with all but the seed."""
    base = PATIENT if name == "per_patient" else CELL
    changed = replace(base, **{name: CHANGES[name]})
    assert changed.id != base.id
    assert (changed.family == base.family) == (name == "seed")


@pytest.mark.parametrize(
    "budget",
    [Budget(1.0, 1e-6), PATIENT.budget, Budget(1.0000000000000002, 1e-5)],
)
def test_the_id_changes_with_every_part_of_the_budget(budget: Budget) -> None:
    assert CELL.budget == Budget(1.0, 1e-5)
    audit = replace(CELL.audit, unit=budget.unit)
    cap = PATIENT.per_patient if budget.unit == "patient" else None
    changed = replace(CELL, budget=budget, audit=audit, per_patient=cap)
    same = CELL.audit == audit
    assert changed.id != CELL.id
    assert same == (budget.unit == CELL.budget.unit)


def test_coins_are_flipped_for_the_unit_of_the_claim() -> None:
    with pytest.raises(SuiteError, match="audit unit 'patient' is not the claim's unit 'report'"):
        replace(CELL, audit=replace(CELL.audit, unit="patient"))


def test_a_cap_on_reports_belongs_to_patients_and_is_positive() -> None:
    with pytest.raises(SuiteError, match="belongs to unit 'patient' alone"):
        replace(CELL, per_patient=8)
    for cap in (None, 0):
        with pytest.raises(SuiteError, match="per_patient"):
            replace(PATIENT, per_patient=cap)


@pytest.mark.parametrize("part", [{"share": 0.1}, {"canaries": "mislabelled"}])
def test_the_id_changes_with_every_part_of_the_audit_policy(
    part: dict[str, Any],
) -> None:
    assert replace(CELL, audit=replace(CELL.audit, **part)).family != CELL.family


def test_whole_number_for_epsilon_gives_the_same_id_as_the_float() -> None:
    """A whole number for ε gives the same id as the float."""
    assert replace(CELL, budget=Budget(1, 1e-5)).id == CELL.id
    assert Budget.of(10, 2200) == Budget.of(10.0, 2200)


@given(st.integers(0, 2**63))
def test_cells_that_differ_in_the_seed_only_are_one_family(seed: int) -> None:
    other = CELL.with_seed(seed)
    assert other.family == CELL.family
    assert (other.id == CELL.id) == (seed == CELL.seed)


def test_infinity_is_written_as_a_word_so_that_the_text_is_json() -> None:
    cell = replace(CELL, budget=Budget.of(math.inf, 2200), params={"c": math.inf, "l": [math.inf]})
    assert json.loads(canonical(cell.as_dict())) == cell.as_dict()
    assert cell.as_dict()["budget"]["epsilon"] == "inf"
    assert cell.as_dict()["params"] == {"c": "inf", "l": ["inf"]}


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_non_numbers_are_refused_in_one_line_wherever_they_stand(value: float) -> None:
    """What is no number is refused in one line wherever it stands."""
    for nested in (value, [value], {"a": [{"b": value}]}):
        with pytest.raises(SuiteError, match=f"^{value} among the parameters"):
            canonical(nested)
    with pytest.raises(SuiteError):
        _ = replace(CELL, params={"rate": value}).id


def test_value_without_canonical_form_is_not_hashed_by_address() -> None:
    """A value without a canonical form is not hashed by its address."""
    with pytest.raises(TypeError):
        digest({"a": SimpleNamespace()})


def test_a_cell_can_be_a_key_and_cannot_be_changed() -> None:
    assert {CELL: 1}[replace(CELL)] == 1
    with pytest.raises(AttributeError):
        CELL.seed = 3  # type: ignore[misc]
