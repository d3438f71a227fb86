"""The ten privacy rules, each with its tests; `test_rule_N_…` keep what breaks rule N.

    rule                                                    more tests in test_….py
 1  Poisson is run; micro-batches change nothing            coins, clipping, memory
 2  trainable = clipped = noised; one norm; float64         exactness, noise, units
 3  a contribution is its record's alone; non-finite is 0   clipping, misuse, units
 4  noise to the clip, once, also when empty; the divisor   noise, releases, run
 5  ledger = releases, merged per step; over_budget         releases, ledger, runner_ends
 6  what else depends on records is bought or public        replay, misuse
 7  coins and noise secret, start public; no dropout        exactness, run
 8  unit patient: over patients, summed, capped             units, patients, coins, audit
 9  nothing calibrated on X warms up X                      rules_around
10  an adapter that cannot move is found on public text     run, moving

`test_rule_N_…` are in test_rules_sums.py (1 to 5) and test_rules_around.py (6 to 10). Each puts the
real thing and broken variants of it through one check, which must tell them apart.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

RULES: dict[int, tuple[str, ...]] = {
    1: (
        "test_coins_are_independent_with_the_booked_probability",
        "test_a_sampler_that_is_not_the_accounted_one_is_told_apart",
        "test_adding_or_removing_any_unit_moves_no_other_coin",
        "test_coins_from_a_generator_that_all_share_are_told_apart",
        "test_the_sum_does_not_depend_on_micro_batches",
        "test_autocast_sums_are_float64_clipped_and_near_exact",
    ),
    2: (
        "test_adapters_trainable_tensors_each_get_their_own_noise",
        "test_apply_refuses_another_set_of_tensors",
        "test_norm_per_use_and_not_per_tensor_would_exceed_the_clip",
        "test_albert_clipped_per_use_not_per_parameter_is_found",
        "test_norm_in_bfloat16_would_exceed_the_clip",
        "test_sums_that_are_not_of_clipped_units_are_told_apart",
    ),
    3: (
        "test_the_gradient_of_one_record_does_not_depend_on_another",
        "test_a_mean_loss_is_refused",
        "test_loss_skips_unobserved_labels_and_divides_by_a_constant",
        "test_losses_that_mix_records_are_found_on_public_sentences",
        "test_a_planted_unit_adds_at_most_the_clip",
        "test_only_noised_weights_end_a_run_as_diverged",
    ),
    4: (
        "test_noise_is_normal_and_independent_over_steps_names_keys",
        "test_noise_that_is_broken_is_told_apart",
        "test_nobody_and_somebody_give_releases_in_the_same_places",
        "test_one_record_less_moves_the_update_by_clip_over_divisor",
        "test_a_step_that_releases_nothing_ends_the_run",
    ),
    5: (
        "test_what_a_method_received_is_what_the_ledger_holds",
        "test_a_ledger_that_misses_releases_is_told_apart",
        "test_two_releases_on_one_sample_cost_more_than_two_steps",
        "test_steps_beyond_the_calibrated_ones_are_booked_over_budget",
    ),
    6: (
        "test_what_goes_past_the_noise_is_found",
        "test_a_function_that_remembers_records_is_refused",
        "test_method_that_leaves_the_waist_is_over_budget_unscored",
    ),
    7: (
        "test_public_randomness_depends_on_suite_key_seed_and_name",
        "test_dropout_would_be_found_and_there_is_none",
        "test_eval_mode_of_any_part_is_refused",
        "test_a_secret_key_lies_in_private_alone_and_is_committed_to",
    ),
    8: (
        "test_a_clip_per_report_would_exceed_the_bound_of_a_patient",
        "test_sums_of_patients_equal_a_slow_loop_for_any_micro_batch",
        "test_kept_reports_of_a_patient_depend_on_that_patient_alone",
        "test_a_certificate_for_patients_counts_patients",
        "test_clipping_reports_under_a_claim_for_patients_is_found",
    ),
    9: ("test_it_is_calibrated_on_nothing_and_needs_no_data",),
    10: (
        "test_an_optimizer_with_stale_tensors_ends_the_run",
        "test_tensor_ignored_by_the_loss_is_found_before_step_one",
        "test_adapters_move_in_either_order_and_stale_tensors_end_it",
    ),
}
"""Rule of ARCHITECTURE.md -> tests that fail when it is broken, besides test_rule_N_… here."""


def functions(path: Path) -> dict[str, str]:
    """Test functions of a file, with their source."""
    source = path.read_text(encoding="utf-8")
    return {
        node.name: ast.get_source_segment(source, node) or ""
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_rule_has_existing_tests_and_one_that_breaks_it() -> None:
    """Every rule has tests that exist, and one here with what breaks it."""
    root = Path(__file__).parents[2]
    known = {name for path in root.rglob("test_*.py") for name in functions(path)}
    here: dict[str, str] = {}
    for path in Path(__file__).parent.glob("test_rules_*.py"):
        here |= functions(path)
    assert sorted(RULES) == list(range(1, 11))
    for number, names in RULES.items():
        assert names and set(names) <= known, (number, sorted(set(names) - known))
        own = [source for name, source in here.items() if name.startswith(f"test_rule_{number}_")]
        assert own and all("broken" in source for source in own), number
        assert f"\n{number:2d}  " in (__doc__ or "")
    assert max(Counter(n for names in RULES.values() for n in names).values()) == 1
