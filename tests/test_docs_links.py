"""What README, the pages beside it and docs/ point at is there: files, headings, folders."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from radpriv import api

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob(".github/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
PACKAGES = ("benchmark", "baselines", "attacks", "reports", "src")
FORMS = sorted((ROOT / ".github").rglob("*.yml"))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def slug(heading: str) -> str:
    """The anchor that GitHub and MyST give a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(h) for h in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)}


def broken(page: Path) -> list[str]:
    """Links of a page that lead nowhere."""
    found = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.is_file() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# Head, of b\n")
    page = tmp_path / "a.md"
    page.write_text("[x](b.md) [y](b.md#head-of-b) [z](c.md) [w](b.md#foot) [v](https://e.x/c.md)")
    assert broken(page) == ["c.md", "b.md#foot"]


def rooms() -> list[str]:
    """The folders in the first column of ARCHITECTURE's table."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([\w./]+)/` \|", text, re.MULTILINE)


def test_every_folder_that_architecture_names_is_there() -> None:
    named = rooms()
    assert len(named) == len(set(named)) > 30
    assert [r for r in named if not (ROOT / r).is_dir()] == []


def test_every_package_of_the_tree_has_its_line_in_architecture() -> None:
    packages = {
        p.parent.relative_to(ROOT).as_posix()
        for top in PACKAGES
        for p in (ROOT / top).rglob("__init__.py")
    }
    assert packages - set(rooms()) == set(), "give each a line in ARCHITECTURE.md"


def test_every_file_that_architecture_names_is_there() -> None:
    """Paths of Python files in the table that says where to look."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:benchmark|attacks|baselines|reports|src)/[\w/]+\.py)`", text)
    assert len(named) >= 4
    assert [n for n in named if not (ROOT / n).is_file()] == []


def test_every_module_that_the_page_on_bounds_names_is_there() -> None:
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    table = page.split("| --- | --- | --- |")[1].split("\n\n")[0]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert len(named) >= 5
    assert [n for n in named if not (ROOT / "attacks" / "epsilon" / f"{n}.py").is_file()] == []


def test_readme_first_screen_keeps_its_order() -> None:
    """What it is, one command for the main job, one for the tests, a picture; then results."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    order = (
        "# radpriv\n",
        "What does privacy cost, and what does it buy",
        "**The main job**",
        "python -m pip install tox && python -m tox -e quickstart",
        "**The tests**",
        "python -m tox -e py",
        "](docs/openi_f1.png)",
        "## Results on Open-i",
        "](docs/openi_roc.png)",
        "## Three paths",
        "**Submit a method.**",
        "**Regenerate a paper's tables.**",
        "**Run on a cluster.**",
    )
    places = [text.find(part) for part in order]
    assert -1 not in places and places == sorted(places), dict(zip(order, places))
    picture = text[: text.index("](docs/openi_f1.png)")].count("\n")
    assert picture < 30, "the picture belongs to the first screen"


def test_every_page_of_docs_is_in_the_index() -> None:
    """Sphinx says so too, but only where it is built."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = {
        re.sub(r".*<(.+)>", r"\1", line)
        for block in re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL)
        for line in block.splitlines()
        if line and not line.startswith(":")
    }
    assert listed == {p.stem for p in (ROOT / "docs").glob("*.md")} - {"index"}


@pytest.mark.parametrize("form", FORMS, ids=lambda p: p.name)
def test_forms_and_workflows_can_be_read(form: Path) -> None:
    """An issue form has a name, a description and fields with ids of their own."""
    read = yaml.safe_load(form.read_text(encoding="utf-8"))
    if form.parent.name != "ISSUE_TEMPLATE" or form.name == "config.yml":
        assert isinstance(read, dict) and read
        return
    assert read["name"] and read["description"]
    fields = [f for f in read["body"] if f["type"] != "markdown"]
    ids = [f["id"] for f in fields]
    assert ids and len(ids) == len(set(ids))
    assert all(f["attributes"]["label"] for f in fields)
    assert {f["type"] for f in read["body"]} <= {
        "markdown",
        "input",
        "textarea",
        "dropdown",
        "checkboxes",
    }


def test_workflow_runs_what_everybody_runs() -> None:
    flow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    steps = [step for job in flow["jobs"].values() for step in job["steps"]]
    assert [s["run"] for s in steps if "run" in s][-1].strip() == ".ci/run"
    assert (ROOT / ".ci/run").stat().st_mode & 0o100


def test_hooks_are_the_versions_of_the_lock() -> None:
    """A commit hook that formats otherwise than `tox -e lint` would be a nuisance."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    lock = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    revisions = {r["repo"].rsplit("/", 1)[-1]: r.get("rev") for r in hooks["repos"]}
    assert f"ruff=={revisions['ruff-pre-commit'].removeprefix('v')}" in lock


def test_citation_is_that_of_the_package() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["version"] == project["version"] and cited["license"] == project["license"]
    assert cited["cff-version"] == "1.2.0" and cited["title"].startswith("radpriv")
    assert [a["name"] for a in cited["authors"]] == ["radpriv maintainers"]
    assert "doi" not in cited


def test_every_name_of_the_api_is_in_the_reference_once() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"radpriv\.api\.(\w+)", page)
    assert sorted(named) == sorted(api.__all__)
