"""The tool that counts unnoticed faults: what it changes, what it calls it, and what it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tools.mutation.project import RADPRIV, Project, Refused, drawn, equivalents
from tools.mutation.touched import plain
from tools.mutation.tree import Mutant, mutants

ROOT = Path(__file__).parents[2]


def changes(source: str, operator: str, **how: object) -> list[str]:
    """What the operator writes in place of each changed line; empty where a line is gone."""
    found = [m for m in mutants("m", source, **how) if m.operator == operator]  # type: ignore
    return [" / ".join(d[2:] for d in m.diff if d[0] == "+") for m in found]


@pytest.mark.parametrize(
    ("operator", "source", "expected"),
    [
        ("drop-term", "x = a + b", ["x = a", "x = b"]),
        ("swap-arithmetic", "x = a * b", ["x = a / b"]),
        ("swap-arithmetic", "x += a", ["x -= a"]),
        ("double-value", "x = a * b + c", ["x = 2 * (a * b + c)"]),
        ("clip-after-sum", "x = s @ g", ["x = g.sum(0)", "x = s.min() * g.sum(0)"]),
        ("assign-instead-of-adding", "x += a", ["x = a"]),
        ("swap-comparison", "x = a < b", ["x = a <= b", "x = a > b", "x = a >= b", "x = a == b"]),
        ("swap-comparison", "x = a is None", ["x = a is not None"]),
        ("negate-condition", "if a:\n    f()", ["if not a:"]),
        ("negate-condition", "assert not a", ["assert a"]),
        ("take-one-branch", "x = a if c else b", ["x = a", "x = b"]),
        ("drop-filter", "x = [i for i in y if i]",
         ["x = [i for i in y]", "x = [i for i in y if not i]"]),
        ("swap-and-or", "x = a and b", ["x = a or b"]),
        ("drop-condition", "x = a and b", ["x = b", "x = a"]),
        ("drop-sign-or-not", "x = not a", ["x = a"]),
        ("drop-sign-or-not", "x = -a", ["x = a"]),
        ("scale-number", "x = 0.5", ["x = 1.0"]),
        ("scale-number", "x = 0.0", ["x = 1.0"]),
        ("off-by-one", "x = 7", ["x = 8", "x = 6"]),
        ("flip-bool", "x = True", ["x = False"]),
        ("narrow-dtype", "x = torch.float64", ["x = torch.float32"]),
        ("narrow-dtype", "x = a.astype('<f8')", ["x = a.astype('<f4')"]),
        ("drop-element", "x = f('noise', (step, name))",
         ["x = f('noise', (name,))", "x = f('noise', (step,))"]),
        ("drop-entry", "x = {'a': b}", ["x = {}"]),
        ("drop-argument", "x = f(a, *p, k=b)", ["x = f(a, *p)", "x = f(a, k=b)"]),
        ("swap-call", "x = min(a)", ["x = max(a)"]),
        ("swap-call", "x = a.sum(1)", ["x = a.mean(1)"]),
        ("swap-call", "x = a.double()", ["x = a.float()"]),
        ("unwrap-call", "x = a.sum(1).sqrt()", ["x = a.sum(1)"]),
        ("unwrap-call", "x = math.sqrt(a)", ["x = a"]),
        ("unwrap-call", "x = max(1, a)", ["x = 1", "x = a"]),
        ("count-one-fewer", "x = range(n)", ["x = range(n - 1)"]),
        ("count-one-fewer", "x = range(a, n)", ["x = range(a, n - 1)"]),
        ("delete-statement", "f()", ["pass"]),
        ("delete-statement", "a.x = 1", ["pass"]),
        ("change-return", "def f():\n    return g(a)", ["return None", "return a"]),
        ("change-return", "def f():\n    return a.b()", ["return None", "return a"]),
        ("raise-nothing", "if a:\n    raise E('no')", ["pass"]),
        ("remove-decorator", "@d\ndef f():\n    pass", [""]),
        ("remove-with", "with a:\n    f()", ["if True:"]),
        ("skip-first", "for t in a:\n    f(t)",
         ["for t in __import__('itertools').islice(a, 1, None):"]),
        ("swap-break-continue", "for t in a:\n    break", ["continue"]),
    ],
)  # fmt: skip
def test_operator_makes_its_faults(operator: str, source: str, expected: list[str]) -> None:
    assert changes(source, operator) == expected


def test_function_that_takes_a_path_loses_each_of_its_names() -> None:
    takers = frozenset({"derive"})
    found = changes("x = derive(key, 'public', name)", "drop-argument", variadic=takers)
    assert found == ["x = derive(key, name)", "x = derive(key, 'public')"]
    assert changes("x = other(key, 'public', name)", "drop-argument", variadic=takers) == []


@pytest.mark.parametrize(
    "source",
    [
        '"""Two words, 3 numbers."""',
        "import a.b",
        "Path = tuple[str | int, ...]",
        "def f(x: 'a | 1' = None) -> tuple[int, str]: pass",
        "class P(Protocol):\n    x: int = 3",
        "class A:\n    def __repr__(self):\n        return str(3)",
        "x = f'{a + 1}'",
        "if TYPE_CHECKING:\n    f(1)",
        "x: dict[str, int]",
    ],
)
def test_text_without_behaviour_is_no_place_for_a_mutant(source: str) -> None:
    """What is not behaviour is no place for a mutant."""
    assert mutants("m", source) == []


def test_setting_of_a_method_is_no_place_for_a_mutant() -> None:
    """A setting of a method is no place for a mutant, but another constant is."""
    source = "class A:\n    rate: float = 0.15\n    units = 3"
    assert changes(source, "scale-number") == ["rate: float = 0.3", "units = 6"]
    assert changes(source, "scale-number", settings=True) == ["units = 6"]


SOURCE = "def f(a, b):\n    c = a + b\n    return c < 3\n\n\ndef g(a):\n    return a * a\n"


def test_ids_are_apart_and_survive_an_edit_of_other_lines() -> None:
    before = {m.id for m in mutants("m", SOURCE)}
    assert len(before) == len(mutants("m", SOURCE)) > 8
    edited = SOURCE.replace("def f", "# a comment\nX = h(1)\n\n\ndef f").replace("a * a", "a - a")
    after = {m.id for m in mutants("m", edited)}
    assert {i for i in before if ":f:" in i} == {i for i in after if ":f:" in i}
    assert not {i for i in before if ":g:" in i} & after


def test_equal_faults_of_one_function_are_numbered() -> None:
    found = [m.id for m in mutants("m", "def f():\n    g()\n    g()\n") if "delete" in m.operator]
    assert len(set(found)) == 2 and found[1] == f"{found[0]}:2"


def test_mutant_changes_the_module_in_one_place() -> None:
    """Each mutant changes the module in one place and leaves its tree as it was."""
    found = mutants("m", SOURCE)
    sources = [m.source() for m in found]
    assert len(set(sources)) == len(sources)
    assert sources == [m.source() for m in found]
    for mutant, source in zip(found, sources):
        compile(source, "m", "exec")
        new = set(source.split("\n")) - set(SOURCE.split("\n"))
        assert {line.strip() for line in new} == {d[2:] for d in mutant.diff if d[0] == "+"}


@pytest.fixture(scope="module")
def every() -> list[Mutant]:
    return RADPRIV.all_mutants()


def test_sample_covers_every_function_and_stays_put(every: list[Mutant]) -> None:
    """A sample covers every function and does not move with an edit elsewhere."""
    chosen = drawn(every, 300, 0)
    functions = {(m.module, m.function) for m in every}
    assert len(functions) > 100 and len(every) > 1000
    assert {(m.module, m.function) for m in chosen} == functions
    assert len(chosen) == 300 and drawn(every, 300, 0) == chosen
    assert drawn(every, 300, 1) != chosen
    lost = next(m for m in every if m not in chosen)
    assert drawn([m for m in every if m is not lost], 300, 0) == chosen


def test_every_equivalent_mutant_exists_and_is_argued(every: list[Mutant]) -> None:
    equivalents(ROOT / "tools/mutation/equivalent.toml", every)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ('id = "m:f:gone:00"\nreason = "it is the same number"', "no mutant is called m:f:gone:00"),
        ('id = "m:f:gone:00"\nreason = "same"', "a reason of some words"),
        ('id = "m:f:gone:00"', "a reason of some words"),
    ],
)
def test_stale_or_unargued_equivalent_is_refused(tmp_path: Path, entry: str, sentence: str) -> None:
    (tmp_path / "equivalent.toml").write_text(f"[[equivalent]]\n{entry}\n")
    with pytest.raises(Refused, match=sentence):
        equivalents(tmp_path / "equivalent.toml", mutants("m", SOURCE))


TESTS = """
from toy import sums

def test_a_total():
    assert sums.total([1, 2]) == 3

def test_nothing_hangs_and_nothing_is_written():
    assert "a + b" in open(sums.__file__).read()
"""
RUN = """
import sys
from pathlib import Path
from tools.mutation.__main__ import main
from tools.mutation.project import Project

root = Path(sys.argv[1])
toy = Project(root, {"toy": "src"}, ("src/*.py",), ("tests",))
sys.exit(main(["--results", str(root / "results.jsonl"), *sys.argv[2:]], toy))
"""
TOY = "def total(x):\n    s = 0\n    for y in x:\n        s = add(s, y)\n    return s\n\n\n"
TOY += "def add(a, b):\n    return a + b\n\n\ndef unused(a):\n    return a * 3\n"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for name in ("src", "tests"):
        (tmp_path / name).mkdir()
    (tmp_path / "src/__init__.py").touch()
    (tmp_path / "src/sums.py").write_text(TOY)
    (tmp_path / "tests/test_sums.py").write_text(TESTS)
    return tmp_path


def mutate(root: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, str(root), *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def toy_mutants(root: Path) -> list[Mutant]:
    return Project(root, {"toy": "src"}, ("src/*.py",), ("tests",)).all_mutants()


def test_tests_kill_only_what_they_notice(toy: Path) -> None:
    """Tests kill what they notice and only that, and a second call runs survivors alone."""
    done = mutate(toy, "--all", "--report", str(toy / "page.md"))
    assert done.returncode == 1, done.stdout + done.stderr
    lines = {line.split()[4]: line for line in done.stdout.splitlines() if line.startswith("[")}
    assert len(lines) == len(toy_mutants(toy)) > 8
    for name, line in lines.items():
        assert ("survived" in line) == (":unused:" in name), line
        assert ":unused:" in name or "test_sums.py::test_a_total" in line
    assert (toy / "src/sums.py").read_text() == TOY
    page = (toy / "page.md").read_text()
    assert "- return a * 3\n+ return None" in page and "a - b" not in page

    assert "0 to run" in mutate(toy, "--all").stdout
    with (toy / "tests/test_sums.py").open("a") as file:
        file.write("\ndef test_unused():\n    assert sums.unused(5) == 15\n")
    again = mutate(toy, "--all")
    assert again.returncode == 0, again.stdout + again.stderr
    survivors = sum(":unused:" in name for name in lines)
    assert f"{survivors} to run" in again.stdout and "100.0%" in again.stdout


def test_equivalent_mutant_leaves_the_score(toy: Path) -> None:
    """An equivalent mutant leaves the score, and a false argument fails."""
    found = toy_mutants(toy)
    names = [m.id for m in found if m.function == "unused"]
    entry = '[[equivalent]]\nid = "{}"\nreason = "nobody calls this function"\n'
    (toy / "equivalent.toml").write_text("".join(entry.format(n) for n in names))
    assert mutate(toy, "--all").returncode == 0
    killed = next(m.id for m in found if m.function == "add")
    with (toy / "equivalent.toml").open("a") as file:
        file.write(entry.format(killed))
    wrong = mutate(toy, "--all", "--with-equivalent")
    assert wrong.returncode == 1 and "argued equivalent, but killed:" in wrong.stdout


def test_endless_test_is_stopped_and_counts_as_killed(toy: Path) -> None:
    """A test that no longer ends is stopped and counts as killed."""
    loop = "def down(n):\n    while n > 0:\n        n -= 1\n    return n\n"
    (toy / "src/sums.py").write_text(TOY + "\n\n" + loop)
    with (toy / "tests/test_sums.py").open("a") as file:
        file.write("\ndef test_down():\n    assert sums.down(3) == 0\n")
    stuck = next(m for m in toy_mutants(toy) if m.diff[-1] == "+ n += 1")
    done = mutate(toy, "--id", stuck.id, "--timeout", "3")
    assert "timeout" in done.stdout and done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_measured_where_a_test_fails_without_mutation(toy: Path) -> None:
    (toy / "tests/test_sums.py").write_text("def test_no():\n    assert False\n")
    refused = mutate(toy, "--all")
    assert refused.returncode == 2 and "without any mutation the test run fails" in refused.stderr


def test_lone_failing_test_kills_nothing_and_is_told(toy: Path) -> None:
    """A test that fails alone without mutation kills nothing and is told.

    One that leans on another that went before.
    """
    with (toy / "tests/test_sums.py").open("a") as file:
        file.write("\n\ndef test_z_sets():\n    sums.total.seen = sums.total([])\n")
        file.write("\n\ndef test_z_uses():\n    sums.unused(0)\n    assert sums.total.seen == 0\n")
    mutant = next(m for m in toy_mutants(toy) if m.function == "unused")
    done = mutate(toy, "--id", mutant.id)
    told = "left out, for it fails without mutation: tests/test_sums.py::test_z_uses"
    assert told in done.stdout and done.returncode == 1, done.stdout + done.stderr
    assert f"survived    0.0 s  {mutant.id}  no test calls it" in done.stdout


def test_only_tests_that_call_a_function_meet_its_mutants(toy: Path) -> None:
    """By a fixture's calls too, and by those that a cache would spare it."""
    source = TOY + "\n\nimport functools\n\n\n@functools.cache\ndef kept(a):\n    return a * 3\n"
    (toy / "src/sums.py").write_text(source + "\n\nLIMIT = 7\n")
    (toy / "tests/test_sums.py").write_text(
        "import pytest\nfrom toy import sums\n\n"
        "@pytest.fixture(scope='module')\ndef six():\n    return sums.unused(2)\n\n"
        "def test_first(six):\n    pass\n\n"
        "def test_second(six):\n    assert six == 6 and sums.LIMIT == 7\n\n"
        "def test_third():\n    assert sums.kept(1) > 0\n\n"
        "def test_fourth():\n    assert sums.kept(1) == 3\n"
    )
    done = mutate(toy, "--all")
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert lines and all("killed" in x for x in lines if ":unused:" in x or ":<module>:" in x)
    assert all("test_second" in x for x in lines if ":unused:" in x), done.stdout
    assert any("test_fourth" in x for x in lines if ":kept:" in x), done.stdout
    assert all("no test calls it" in x for x in lines if ":total:" in x or ":add:" in x)


@pytest.mark.parametrize(
    ("qualname", "name"),
    [
        ("f", "f"),
        ("A.b", "A.b"),
        ("f.<locals>.g.<locals>.<lambda>", "f.g"),
        ("A.b.<locals>.<listcomp>", "A.b"),
        ("<module>", "<module>"),
        ("<lambda>", "<module>"),
    ],
)
def test_called_function_has_the_name_of_its_mutants(qualname: str, name: str) -> None:
    assert plain(qualname) == name
