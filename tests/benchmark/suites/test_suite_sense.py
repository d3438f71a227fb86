"""Suites that would run and mean nothing are refused before anything runs."""

from __future__ import annotations

import pytest

from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.suite import parse
from radpriv.errors import EncoderError, SuiteError

HEAD = (
    "epsilons = [1]\n"
    '[[datasets]]\nname = "synthetic-plain"\nn_public = 90\noptions = { reports = 120 }\n'
)


def jobs(*methods: str) -> list[str]:
    text = HEAD + "".join(f"[[methods]]\n{m}\n" for m in methods)
    return [j.label for j in expand(parse(text, "s", "s"), None)]


def test_two_settings_of_one_method_need_two_labels() -> None:
    first, second = 'name = "dp_bow"', 'name = "dp_bow"\nparams = { lr = 0.1 }'
    with pytest.raises(SuiteError, match=r"two \[\[methods\]\] entries are called 'dp_bow'"):
        jobs(first, second)
    assert {"dp_bow", "slow"} <= set(jobs(first, second + '\nlabel = "slow"'))
    with pytest.raises(SuiteError, match="are called 'dp_bow'"):
        jobs(first, 'name = "prior"\nlabel = "dp_bow"')


@pytest.mark.parametrize("label", ["all positive", "null", "a\\u001b[31m", "x" * 61])
def test_a_label_that_a_table_cannot_hold_is_refused(label: str) -> None:
    with pytest.raises(SuiteError, match="printable characters"):
        jobs(f'name = "prior"\nlabel = "{label}"')


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ("rate = 0.0", "rate = 0.0"),
        ("rate = 2.0", "rate = 2.0"),
        ("steps = 0", "steps = 0"),
        ("max_norm = 0.0", "max_norm = 0.0"),
        ("max_norm = inf", "max_norm = inf"),
    ],
)
def test_settings_that_every_run_would_end_on_are_refused(params: str, what: str) -> None:
    with pytest.raises(SuiteError, match=rf"method 'dp_bow': {what}"):
        jobs(f'name = "dp_bow"\nparams = {{ {params} }}')


def test_an_encoder_path_without_a_folder_says_so() -> None:
    from radpriv.benchmark.encoders.encoders import resolve

    with pytest.raises(EncoderError, match="no such folder"):
        resolve("/nowhere/bert")


@pytest.mark.parametrize("name", ["", "../evil", "a b", "x" * 81, "a\\u001b"])
def test_a_name_that_names_no_file_is_refused(name: str) -> None:
    with pytest.raises(SuiteError, match="as it names files"):
        parse(f'name = "{name}"\n{HEAD}[[methods]]\nname = "prior"', "s.toml", "s")


def test_a_file_name_with_spaces_still_gives_a_suite_its_name() -> None:
    assert (
        parse(HEAD + '[[methods]]\nname = "prior"', "my suite.toml", "my suite").name == "my_suite"
    )


def test_dataset_that_comes_twice_is_refused_unless_labelled() -> None:
    """A dataset that comes twice is refused unless each has a label."""
    more = HEAD.split("\n", 1)[1].replace("reports = 120", "reports = 150")
    methods = '[[methods]]\nname = "prior"\n'
    with pytest.raises(SuiteError, match=r"'synthetic-plain' comes twice.*a label of its own"):
        expand(parse(HEAD + more + methods, "s", "s"), None)
    jobs = expand(parse(f'{HEAD}{more}label = "more"\n{methods}', "s", "s"), None)
    assert {j.axes.dataset for j in jobs} == {"synthetic-plain", "more"}
    assert {j.cell.dataset for j in jobs} == {"synthetic-plain"}
    assert len({j.cell.id for j in jobs}) == len(jobs)


def test_label_changes_no_cell_and_an_arrangement_has_one_label() -> None:
    """A label changes no cell and one arrangement has one label."""
    methods = '[[methods]]\nname = "prior"\n'
    named = f'{HEAD}label = "mine"\n{methods}'
    plain, labelled = (expand(parse(t, "s", "s"), None) for t in (HEAD + methods, named))
    assert [j.cell.id for j in plain] == [j.cell.id for j in labelled]
    same = HEAD.split("\n", 1)[1]
    with pytest.raises(SuiteError, match="'synthetic-plain' and 'again' are one and the same data"):
        expand(parse(f'{HEAD}{same}label = "again"\n{methods}', "s", "s"), None)
    with pytest.raises(SuiteError, match="label 'null': give up to 60"):
        expand(parse(f'{HEAD}label = "null"\n{methods}', "s", "s"), None)
