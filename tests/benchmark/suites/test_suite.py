"""A suite: what is refused, with which sentence, and which cells it expands to."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radpriv.benchmark.datasets.base import make_loader
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.suites.expansion import expand, locate, sealed
from radpriv.benchmark.suites.job import Job
from radpriv.benchmark.suites.suite import Overrides, parse, read_suite, shipped
from radpriv.errors import RadprivError, SuiteError, UnknownNameError

PLAIN = """
epsilons = [1, 8.0, inf]
seeds = 2
encoders = []
[[datasets]]
name = "synthetic-plain"
n_public = 90
options = { reports = 120 }
[[methods]]
name = "dp_bow"
params = { steps = 5 }
[[methods]]
name = "prior"
"""


def refused(text: str) -> str:
    """The sentence with which this suite is refused."""
    with pytest.raises(RadprivError) as caught:
        expand(parse(text, "mine.toml", "mine"), None)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_a_misspelt_key_is_named_with_its_nearest_neighbour() -> None:
    sentence = refused(PLAIN.replace("epsilons", "epsilon"))
    assert "'epsilon'" in sentence and "did you mean 'epsilons'?" in sentence
    assert "mine.toml" in sentence
    assert "did you mean 'n_public'?" in refused(PLAIN.replace("n_public", "n_publik"))
    assert "did you mean 'params'?" in refused(PLAIN.replace("params", "parms"))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (PLAIN.replace("epsilons = [1, 8.0, inf]", ""), "epsilons"),
        (PLAIN.replace("n_public = 90", ""), "n_public"),
        (PLAIN.replace('name = "synthetic-plain"', ""), "name"),
        (PLAIN.replace("[[methods]]", "[[others]]"), "others"),
        (PLAIN.split("[[methods]]")[0], "methods"),
        ("", "datasets"),
    ],
)
def test_what_is_missing_is_named(text: str, key: str) -> None:
    assert key in refused(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seeds = 2", 'seeds = "2"'),
        ("seeds = 2", "seeds = true"),
        ("seeds = 2", "seeds = 0"),
        ("seeds = 2", "seeds = -1"),
        ("seeds = 2", "seeds = [0, -1]"),
        ("seeds = 2", "seeds = [0.5]"),
        ("seeds = 2", "seeds = 99999999999"),
        ("seeds = 2", 'seeds = 2\nshort_recipe = "yes"'),
        ("seeds = 2", "seeds = 2\nkey = 5"),
        ("seeds = 2", "seeds = 2\nname = 5"),
        ("seeds = 2", 'seeds = 2\naudit_share = "half"'),
        ("seeds = 2", "seeds = 2\naudit_share = 0.0"),
        ("seeds = 2", 'seeds = 2\ndelta = "small"'),
        ("seeds = 2", "seeds = 2\ndelta = 0.5"),
        ("seeds = 2", 'seeds = 2\nnoise = "loud"'),
        ("seeds = 2", 'seeds = 2\nunit = "image"'),
        ("encoders = []", 'encoders = "minilm"'),
        ("epsilons = [1, 8.0, inf]", "epsilons = 1"),
        ("epsilons = [1, 8.0, inf]", 'epsilons = ["1"]'),
        ("epsilons = [1, 8.0, inf]", "epsilons = [0]"),
        ("epsilons = [1, 8.0, inf]", "epsilons = [-1.0]"),
        ("epsilons = [1, 8.0, inf]", "epsilons = [nan]"),
        ("epsilons = [1, 8.0, inf]", "epsilons = [-inf]"),
        ("epsilons = [1, 8.0, inf]", "epsilons = [true]"),
        ("epsilons = [1, 8.0, inf]", f"epsilons = [1{'0' * 400}]"),
        ("n_public = 90", "n_public = 0"),
        ("n_public = 90", "n_public = true"),
        ("n_public = 90", "n_public = 90.0"),
        ("options = { reports = 120 }", "options = 3"),
        ("options = { reports = 120 }", "otherwise = 3"),
        ("options = { reports = 120 }", "options = { reports = 0 }"),
        ("params = { steps = 5 }", "params = 3"),
        ("params = { steps = 5 }", 'params = { steps = "5" }'),
        ("params = { steps = 5 }", "params = { lr = nan }"),
        ("params = { steps = 5 }", "epsilons = [0]"),
        ("params = { steps = 5 }", 'epsilons = ["1"]'),
        ("seeds = 2", "seeds = 2\nseeds = 3"),
        ("seeds = 2", f"seeds = {'9' * 5000}"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_place(old: str, new: str) -> None:
    assert old in PLAIN
    assert refused(PLAIN.replace(old, new))


def test_a_refused_epsilon_is_quoted() -> None:
    assert "epsilons[0] = 0" in refused(PLAIN.replace("[1, 8.0, inf]", "[0]"))
    assert "-2" in refused(PLAIN.replace("[1, 8.0, inf]", "[-2]"))
    assert "nan" in refused(PLAIN.replace("[1, 8.0, inf]", "[nan]"))
    assert "epsilons = ['1']" in refused(PLAIN.replace("[1, 8.0, inf]", '["1"]'))


def test_an_unknown_method_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'dp_bow'"):
        expand(parse(PLAIN.replace("dp_bow", "dp_bov"), "m", "m"), None)


def test_unknown_option_and_parameter_list_the_known_ones() -> None:
    """An unknown option and an unknown parameter list the known ones."""
    assert "reports, seed" in refused(PLAIN.replace("reports =", "report ="))
    sentence = refused(PLAIN.replace("steps", "step"))
    assert "method 'dp_bow' has no parameter 'step'" in sentence and "steps" in sentence


def test_an_unknown_suite_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SuiteError, match="did you mean 'quickstart'"):
        read_suite("quickstrat")
    with pytest.raises(SuiteError, match=r"none\.toml: cannot be read"):
        read_suite("/nowhere/none.toml")


def test_a_suite_that_asks_for_nothing_is_refused() -> None:
    text = PLAIN.replace("[1, 8.0, inf]", "[inf]").split('[[methods]]\nname = "prior"')[0]
    assert "asks for no cell" in refused("control = false\n" + text)


WORDS = ["epsilons", "[", "]", "=", "inf", "nan", "-1", "{}", '"', "\n", "seeds", "true", "1e999"]


@settings(max_examples=150)
@given(st.integers(0, len(PLAIN)), st.integers(0, 12), st.sampled_from(WORDS) | st.text(max_size=5))
def test_parsing_mutated_text_gives_a_suite_or_one_sentence(at: int, cut: int, new: str) -> None:
    try:
        parse(PLAIN[:at] + new + PLAIN[at + cut :], "mutant", "mutant")
    except SuiteError as error:
        assert "\n" not in str(error)


VALUES = st.recursive(
    st.integers(-3, 12) | st.sampled_from(["true", "nan", "inf", '"x"', "1.5", "1979-05-27"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda v: "[" + ", ".join(map(str, v)) + "]"),
)


@settings(max_examples=150)
@given(
    st.sampled_from([line for line in PLAIN.split("\n") if " = " in line]),
    VALUES,
)
def test_any_value_under_any_key_gives_a_suite_or_one_sentence(line: str, value: object) -> None:
    text = PLAIN.replace(line, f"{line.split(' = ')[0]} = {value}", 1)
    try:
        parse(text, "mutant", "mutant")
    except SuiteError as error:
        assert "mutant" in str(error)


# Expansion.

JobsOf = Callable[..., list[Job]]


def test_private_methods_run_at_finite_epsilon_others_at_inf(
    jobs_of: JobsOf,
) -> None:
    """Private methods run at finite ε, and the others at inf alone."""
    jobs = jobs_of("dp_lora", "lora", "dp_bow", "prior", epsilons="[1, 8, inf]", seeds="2")
    found: dict[str, list[float]] = {}
    for job in jobs:
        if job.role == "cell":
            found.setdefault(job.cell.method, []).append(job.cell.budget.epsilon)
    assert {m: sorted(e) for m, e in found.items()} == {
        "dp_lora": [1, 1, 8, 8],
        "dp_bow": [1, 1, 8, 8],
        "lora": [math.inf] * 2,
        "prior": [math.inf] * 2,
    }


def test_method_without_an_encoder_gives_one_cell(
    jobs_of: JobsOf, tiny_bert: Encoder, tiny_albert: Encoder
) -> None:
    """A method without an encoder gives one cell and not one per encoder."""
    both = f'["{tiny_bert.folder}", "{tiny_albert.folder}"]'
    jobs = [j for j in jobs_of("dp_bow", "dp_linear_probe", encoders=both) if j.role == "cell"]
    assert sorted((j.cell.method, j.cell.encoder) for j in jobs) == [
        ("dp_bow", ""),
        ("dp_linear_probe", "tiny-albert"),
        ("dp_linear_probe", "tiny-bert"),
    ]


def test_permuted_axes_and_lists_give_the_same_cells() -> None:
    head = ["epsilons = [1, 8.0, inf]", "seeds = [0, 1, 2]", "encoders = []"]
    sections = [
        '[[datasets]]\nname = "synthetic-plain"\nn_public = 90\noptions = { reports = 120 }',
        '[[datasets]]\nname = "synthetic-ct-rate"\nn_public = 60\noptions = { seed = 1 }',
        '[[methods]]\nname = "dp_bow"\nparams = { steps = 5, size = 64 }',
        '[[methods]]\nname = "tfidf"',
        '[[methods]]\nname = "prior"',
    ]

    def ids(head: list[str], sections: list[str]) -> list[str]:
        jobs = expand(parse("\n".join([*head, *sections]), "p", "p"), None)
        return sorted(j.cell.id for j in jobs)

    first = ids(head, sections)
    assert len(set(first)) == len(first) == 2 * (2 * 3 + 3 + 3 + 3)
    rng = random.Random(0)
    for heads in itertools.permutations(head):
        shuffled = rng.sample(sections, len(sections))
        swapped = [
            s.replace("steps = 5, size = 64", "size = 64, steps = 5").replace(
                'name = "synthetic-ct-rate"\nn_public = 60',
                'n_public = 60\nname = "synthetic-ct-rate"',
            )
            for s in shuffled
        ]
        lists = [
            h.replace("[1, 8.0, inf]", "[inf, 8, 1.0]").replace("[0, 1, 2]", "[2, 0, 1]")
            for h in heads
        ]
        assert ids(lists, swapped) == first


def test_positive_control_is_once_per_seed_and_can_be_left_out(jobs_of: JobsOf) -> None:
    """The positive control is added once per seed and can be left out."""
    controls = [j for j in jobs_of("prior", seeds="[0, 4]") if j.role == "control"]
    assert sorted((j.cell.method, j.cell.audit.canaries, j.cell.seed) for j in controls) == [
        ("tfidf", "mislabelled", 0),
        ("tfidf", "mislabelled", 4),
    ]
    assert all(j.cell.params["c"] == 1e4 and "mislabelled" in j.cell.id for j in controls)
    assert not [j for j in jobs_of("prior", control="false") if j.role == "control"]


def test_the_stand_in_is_used_exactly_where_the_source_is_absent(tmp_path: Path) -> None:
    suite = read_suite("quickstart")
    axis, _, identity = locate(suite.datasets[0], tmp_path)
    assert axis.name == "synthetic-plain" == identity["loader"]
    archive = tmp_path / "openi" / "NLMCXR_reports.tgz"
    archive.parent.mkdir()
    archive.write_bytes(b"any bytes: identity does not parse")
    axis, _, identity = locate(suite.datasets[0], tmp_path)
    assert axis.name == "openi" == identity["loader"]


def test_a_limit_keeps_one_seed_few_steps_and_says_so_in_the_id(
    write_suite: Callable[..., Path],
) -> None:
    suite = read_suite(str(write_suite("dp_bow", "prior", seeds="3", epsilons="[1, 8]")))
    whole = expand(suite, None)
    limit = Overrides(limit=60)
    jobs = expand(limit.apply(suite), None, limit)
    assert {j.cell.seed for j in jobs} == {0} and len(jobs) == len(whole) // 3
    assert {j.cell.n_public for j in jobs} == {60} == {j.cell.limited for j in jobs}
    assert not {j.cell.id for j in jobs} & {j.cell.id for j in whole}
    long = parse(PLAIN.replace("steps = 5", "steps = 500"), "m", "m")
    cut = expand(limit.apply(long), None, limit)
    assert {j.cell.params["steps"] for j in cut if j.cell.method == "dp_bow"} == {20}
    kept = parse(PLAIN, "m", "m")
    same = expand(limit.apply(kept), None, limit)
    assert {j.cell.params["steps"] for j in same if j.cell.method == "dp_bow"} == {5}
    with pytest.raises(SuiteError, match="at least 20"):
        Overrides(limit=3).apply(suite)


def test_a_limit_alone_changes_the_id(jobs_of: JobsOf) -> None:
    cell = jobs_of("prior", control="false")[0].cell
    assert replace(cell, limited=cell.n_public).id != cell.id


def test_encoder_of_unknown_training_is_refused_for_claims(
    jobs_of: JobsOf,
) -> None:
    """An encoder of unknown training is refused for a private claim alone."""
    with pytest.raises(SuiteError, match="--pretrained-on"):
        jobs_of("dp_linear_probe", pretrained_on='""')
    assert [j for j in jobs_of("linear_probe", pretrained_on='""') if j.role == "cell"]


def _expanded(name: str, monkeypatch: pytest.MonkeyPatch, encoder: Encoder) -> list[Job]:
    """The jobs of a shipped suite, a tiny encoder in the place of the real ones."""
    monkeypatch.setattr("radpriv.benchmark.suites.expansion.resolve", lambda name, told="": encoder)
    suite = read_suite(name)
    size = suite.datasets[0].n_public
    fallback = f'[[datasets]]\nname = "synthetic-plain"\nn_public = {size}\n'
    stand_in = parse(f"epsilons = [1]\n{fallback}[[methods]]\nname = 'prior'", name, name)
    return expand(replace(suite, datasets=stand_in.datasets), None)


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_suite_parses_and_expands(
    name: str, monkeypatch: pytest.MonkeyPatch, tiny_bert: Encoder
) -> None:
    jobs = _expanded(name, monkeypatch, tiny_bert)
    assert {j.role for j in jobs} == {"cell"} | ({"control"} if read_suite(name).control else set())
    for axis in read_suite(name).datasets:  # its names and options are known without the data
        assert make_loader(axis.name, axis.options).labels
    named = [m.name for m in read_suite(name).methods]
    order = [named.index(j.cell.method) for j in jobs if j.role == "cell"]
    assert order == sorted(order), "tables show methods in the suite's order"


def test_quickstart_trains_few_encoders_for_few_passes(
    monkeypatch: pytest.MonkeyPatch, tiny_bert: Encoder
) -> None:
    assert read_suite("quickstart").short_recipe
    passes = [j.passes for j in _expanded("quickstart", monkeypatch, tiny_bert) if j.passes]
    assert 0 < len(passes) <= 6
    assert max(passes) <= 6000


def test_unnameable_sources_are_sealed_under_the_stores_secret() -> None:
    """Sources that may not be named are sealed under the store's secret."""

    class Closed(type(make_loader("synthetic-plain", {}))):  # type: ignore[misc]
        card = replace(make_loader("synthetic-plain", {}).card, release="nothing")

    loader = Closed()
    identity = {"loader": "closed", "options": {"a": 1}, "sha256": "ab" * 32}
    shown = sealed(identity, loader, lambda: b"one")
    assert (shown["loader"], shown["options"]) == ("closed", {"a": 1})
    assert "ab" * 32 not in str(shown)
    assert shown == sealed(identity, loader, lambda: b"one")
    assert shown != sealed(identity, loader, lambda: b"two")
    assert shown != sealed({**identity, "sha256": "cd" * 32}, loader, lambda: b"one")
    with pytest.raises(SuiteError, match="needs the store's secret"):
        sealed(identity, loader, None)
    assert sealed(identity, make_loader("synthetic-plain", {}), None) == identity
