"""Reference cells: which seeds they have, that they are ordinary cells, and who leaves them out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.cell import digest
from radpriv.benchmark.runs.run_plan import cheapest_first
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites import plan as plan_module
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.job import Job
from radpriv.benchmark.suites.plan import Planned, make_plan, suite_digest, write_plan
from radpriv.benchmark.suites.suite import MOST_REFERENCES, Overrides, Suite, parse
from radpriv.errors import SuiteError

Radpriv = Callable[..., Any]

TEXT = """
epsilons = [1, inf]
seeds = 2
references = 3
encoders = []
[[datasets]]
name = "synthetic-plain"
n_public = 90
options = { reports = 120 }
[[methods]]
name = "dp_bow"
params = { size = 64, steps = 3 }
[[methods]]
name = "tfidf"
params = { size = 4096 }
references = 5
[[methods]]
name = "prior"
references = 0
"""


def suite_of(text: str = TEXT) -> Suite:
    return parse(text, "mine.toml", "mine")


def seeds_of(jobs: list[Job]) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    for job in jobs:
        found.setdefault((job.cell.method, job.role), []).append(job.cell.seed)
    return found


def planned(suite: Suite) -> list[Planned]:
    return make_plan(suite, expand(suite, None), "cpu")


def test_methods_own_count_replaces_the_suites_not_the_controls() -> None:
    """A method's own count replaces the suite's; the control has the suite's."""
    assert seeds_of(expand(suite_of(), None)) == {
        ("dp_bow", "cell"): [0, 1, 2, 3, 4],
        ("tfidf", "cell"): [0, 1, 2, 3, 4, 5, 6],
        ("prior", "cell"): [0, 1],
        ("tfidf", "control"): [0, 1, 2, 3, 4],
    }


def test_a_suite_that_asks_for_none_has_none() -> None:
    none = suite_of(TEXT.replace("references = 3\n", "").replace("references = 5\n", ""))
    assert {tuple(seeds) for seeds in seeds_of(expand(none, None)).values()} == {(0, 1)}
    assert not any(p.reference for p in planned(none))


def test_references_take_the_smallest_seeds_not_the_suites_own() -> None:
    """References take the smallest seeds that are not the suite's own."""
    scattered = suite_of(TEXT.replace("seeds = 2", "seeds = [7, 1, 3]"))
    assert scattered.reference_seeds(5) == (0, 2, 4, 5, 6)
    assert seeds_of(expand(scattered, None))["dp_bow", "cell"] == [7, 1, 3, 0, 2, 4]


def test_reference_is_the_very_cell_of_a_target_with_its_seed() -> None:
    """A reference is the very cell that a target of its seed is.

    So a suite that asks for more seeds, and fewer references, has no cell to run.
    """
    few, many = suite_of(), suite_of(TEXT.replace("seeds = 2", "seeds = 4"))
    many = replace(many, references=1)
    one = {p.job.cell.id: p for p in planned(few) if p.job.cell.method == "dp_bow"}
    two = {p.job.cell.id: p for p in planned(many) if p.job.cell.method == "dp_bow"}
    assert set(one) == set(two)
    assert sorted(p.job.cell.seed for p in one.values() if p.reference) == [2, 3, 4]
    assert sorted(p.job.cell.seed for p in two.values() if p.reference) == [4]
    for cell_id, p in one.items():
        other = two[cell_id]
        assert (p.job, p.how.digest) == (other.job, other.how.digest)
        assert p.job.cell.family == next(iter(one.values())).job.cell.family


def test_only_the_plan_knows_who_is_a_reference(tmp_path: Path) -> None:
    suite, store = suite_of(), Store(tmp_path / "store")
    write_plan(store, "mine", suite, Overrides(), planned(suite))
    roles: dict[str, list[int]] = {}
    for entry in store.read_plan("mine").cells:
        roles.setdefault(entry.role, []).append(entry.seed)
    assert {role: sorted(set(seeds)) for role, seeds in roles.items()} == {
        "cell": [0, 1],
        "control": [0, 1],
        "reference": [2, 3, 4, 5, 6],
    }
    assert len(roles["reference"]) == 3 + 5 + 3


def test_targets_run_before_references_and_the_cheapest_first() -> None:
    """Targets are run before references and the cheapest first."""
    cells = planned(suite_of())
    dear = replace(cells[0].job.method, steps=50)
    cells[0].job = replace(cells[0].job, method=dear)
    order = cheapest_first(cells)
    assert [p.reference for p in order] == sorted(p.reference for p in order)
    for part in (False, True):
        passes = [p.job.passes for p in order if p.reference is part]
        assert passes == sorted(passes)


def test_a_limited_run_has_two_references_at_most() -> None:
    suite = Overrides(limit=60).apply(suite_of())
    jobs = expand(suite, None, Overrides(limit=60))
    assert seeds_of(jobs) == {
        ("dp_bow", "cell"): [0, 1, 2],
        ("tfidf", "cell"): [0, 1, 2],
        ("prior", "cell"): [0],
        ("tfidf", "control"): [0, 1, 2],
    }
    one = Overrides(limit=60).apply(replace(suite_of(), references=1))
    assert seeds_of(expand(one, None))["dp_bow", "cell"] == [0, 1]
    named = Overrides(("tfidf",), limit=60).apply(suite_of())
    assert [m.references for m in named.methods] == [None] and named.references == 2


@pytest.mark.parametrize(
    "value", ["-1", str(MOST_REFERENCES + 1), "1.5", '"16"', "true", "[16]", "nan"]
)
@pytest.mark.parametrize("place", ["references = 3", "references = 5"])
def test_a_count_that_makes_no_sense_is_refused_with_its_key(place: str, value: str) -> None:
    text = TEXT.replace(place, f"references = {value}")
    assert text != TEXT
    with pytest.raises(SuiteError, match="references = ") as caught:
        suite_of(text)
    assert "\n" not in str(caught.value) and "mine.toml" in str(caught.value)


def test_plans_of_suites_without_references_are_as_they_were() -> None:
    """Plans of suites that ask for none are the ones they were.

    `radpriv report` refuses the plan of another digest, so new keys may not change old ones.
    """
    bare = replace(
        suite_of(),
        references=0,
        methods=tuple(replace(m, references=None) for m in suite_of().methods),
    )
    assert suite_digest(bare) == "5aa1f5f40925c72641e778462e74fdbaf7d52d85bddb375f391de6c1a73b9b00"
    assert suite_digest(replace(bare, note="other words")) == suite_digest(bare)


def test_what_decides_the_references_decides_the_digest() -> None:
    suite = suite_of()
    off = tuple(replace(m, references=None) for m in suite.methods)
    others = [replace(suite, references=4), replace(suite, methods=off)]
    assert len({suite_digest(s) for s in (suite, *others)}) == 3
    assert len(digest("x")) == len(suite_digest(suite))


def test_seeds_of_a_method_share_one_look_at_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of references would otherwise take minutes before the first one runs."""
    suite = suite_of()
    jobs = expand(suite, None)
    true = plan_module.fingerprint_of
    looks = []

    def counted(job: Job, *rest: Any) -> Fingerprint:
        looks.append(job.cell.method)
        return true(job, *rest)

    monkeypatch.setattr(plan_module, "fingerprint_of", counted)
    made = make_plan(suite, jobs, "cpu")
    assert sorted(looks) == ["dp_bow", "prior", "tfidf"]
    for p in (made[0], made[-1]):
        assert p.how == true(p.job, "cpu")

    def uncached(job: Job, *rest: Any) -> Fingerprint:
        nonce = f"{job.cell.method}{job.cell.seed}"
        return replace(true(job, *rest), why_not_cached="it says so", nonce=nonce)

    monkeypatch.setattr(plan_module, "fingerprint_of", uncached)
    few = [job for job in jobs if job.cell.method == "prior"]
    assert len({p.how.digest for p in make_plan(suite, few, "cpu")}) == 2


def run(radpriv: Radpriv, path: Path, text: str, store: Path) -> tuple[Any, str]:
    """(what the command printed as JSON, its progress)."""
    path.write_text(text)
    done = radpriv("run", path, "--store", store, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out), done.err


def test_references_are_in_no_table_and_serve_more_seeds(radpriv: Radpriv, tmp_path: Path) -> None:
    """References are in no table and serve a suite of more seeds."""
    path, one, two = (tmp_path / name for name in ("t.toml", "one", "two"))
    asked = "seeds = 1\nreferences = 2"
    text = TEXT.replace("seeds = 2\nreferences = 3", asked).replace("references = 5\n", "")
    text = text.replace('"dp_bow"\nparams = { size = 64, steps = 3 }', '"tfidf"\nlabel = "words"')
    text = "control = false\nattacks = []\n" + text.replace(
        '[[methods]]\nname = "tfidf"\nparams = { size = 4096 }\n', ""
    )
    plain, said = run(radpriv, path, text.replace(asked, "seeds = 1"), one)
    assert "2 cells on" in said
    extra, said = run(radpriv, path, text, two)
    assert "4 cells, 2 of them references, on" in said
    f1 = [store / "reports" / "t" / "f1.csv" for store in (one, two)]
    assert f1[0].read_bytes() == f1[1].read_bytes()
    assert plain["datasets"] == extra["datasets"] and extra["datasets"]

    def made() -> dict[str, bytes]:
        """When and where each cell was computed, by its id."""
        return {p.parts[-3]: p.read_bytes() for p in two.glob("cells/*/*/provenance.json")}

    before, many = made(), text.replace(asked, "seeds = 3")
    grown, _ = run(radpriv, path, many, two)
    assert len(before) == 4 and before.items() <= made().items(), "a cell was trained again"
    assert {cell.split(".")[1] for cell in made().keys() - before.keys()} == {"prior"}
    fresh, _ = run(radpriv, path, many, one)
    assert grown["datasets"] == fresh["datasets"]
    for record in two.glob("cells/*/*/record.json"):
        assert (one / record.relative_to(two)).read_bytes() == record.read_bytes()
