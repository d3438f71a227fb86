"""`radpriv attack`: a suite or a cell, attacks by name or by file, resumed, without training."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from radpriv import arc
from radpriv.attacking import named_by, shortest
from radpriv.attacks import stage as stage_module
from radpriv.benchmark import fingerprint as fingerprints
from radpriv.benchmark import runner
from radpriv.benchmark.datasets.base import make_loader

WriteSuite = Callable[..., Path]
Radpriv = Callable[..., Any]

MINE = '''"""The shorter, the likelier a member: nonsense that is cheap."""

from dataclasses import dataclass

import numpy as np

from radpriv.attacks.registry import Attack, attacks


@attacks.register("shorter")
@dataclass(frozen=True)
class Shorter(Attack):
    """A docstring."""

    needs = frozenset({needs})

    def score(self, view):
        {body}
'''
BODY = "return -view.length.astype(np.float64)"


def write_attack(path: Path, needs: str = "", body: str = BODY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(MINE.format(needs="{" + needs + "}" if needs else "()", body=body))
    return path


def results(store: Path) -> dict[str, dict[str, Any]]:
    """result.json by attack id."""
    paths = sorted(store.glob("attacks/*/result.json"))
    return {p.parent.name: json.loads(p.read_text()) for p in paths}


def listed(store: Path) -> list[str]:
    (plan,) = store.glob("plans/*.json")
    return list(json.loads(plan.read_text())["attacks"])


def cells(store: Path, method: str) -> list[dict[str, Any]]:
    (plan,) = store.glob("plans/*.json")
    return [c for c in json.loads(plan.read_text())["cells"] if c["axes"]["method"] == method]


@pytest.fixture(scope="module")
def finished(write_suite: WriteSuite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a suite, tiny.toml, and the store in which it was run: two families and the
    control, of 2 seeds, attacked by `loss`."""
    folder = tmp_path_factory.mktemp("finished")
    suite = shutil.copy(
        write_suite("dp_bow", "prior", seeds="2", attacks='["loss"]'), folder / "tiny.toml"
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RADPRIV_CACHE", str(folder / "cache"))
        request = arc.Request(str(suite), None, folder / "store")
        arc.run(request, Console(file=io.StringIO()))
    return folder


@pytest.fixture
def ran(finished: Path, radpriv: Radpriv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that suite, its store beside it, where nothing trains any more."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    plan = tmp_path / "store" / "plans" / "tiny.json"
    plan.write_text(plan.read_text().replace(str(finished), str(tmp_path)))

    def never(*_: Any) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr(runner, "_train_and_score", never)
    return tmp_path / "tiny.toml"


def test_run_makes_the_attacks_of_the_suite_and_attack_adds_others_to_the_plan(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    first = results(store)
    assert {r["attack"] for r in first.values()} == {"loss"} and len(first) == 3
    assert listed(store) == sorted(first)
    mine = write_attack(tmp_path / "mine.py")
    done = radpriv("attack", ran, "--attack", mine, "--attack", "loss")
    assert done.code == 0, done.err
    assert "6 results of shorter, loss on 3 families" in done.err and "report: " in done.out
    second = results(store)
    assert set(first) < set(second) and len(second) == 6
    assert listed(store) == sorted(second)
    assert radpriv("attack", ran).code == 0  # the suite's own again: the others stay listed
    assert listed(store) == sorted(second)


def test_the_report_shows_what_attacks_write(radpriv: Radpriv, ran: Path) -> None:
    told = json.loads(radpriv("attack", ran, "--json").out)["datasets"][0]["tables"]
    assert "leakage:loss" in told, "results count by another rule than the reports show"
    assert {r["method"] for r in told["leakage:loss"]["records"]} >= {"dp_bow", "prior"}


def test_a_plugin_attack_is_kept_and_its_source_decides_its_results(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    mine = write_attack(tmp_path / "mine.py")
    assert radpriv("attack", ran, "--attack", mine).code == 0
    one = {i for i, r in results(store).items() if r["attack"] == "shorter"}
    (kept,) = store.glob("sources/*/mine.py")
    assert kept.read_bytes() == mine.read_bytes() and len(one) == 3

    mine.write_text(mine.read_text().replace("A docstring.", "Another docstring."))
    assert radpriv("attack", ran, "--attack", mine).code == 0
    assert {i for i, r in results(store).items() if r["attack"] == "shorter"} == one

    write_attack(mine, body="return view.length.astype(np.float64)")
    assert radpriv("attack", ran, "--attack", mine).code == 0
    two = {i for i, r in results(store).items() if r["attack"] == "shorter"}
    assert one < two and len(two) == 6
    assert set(listed(store)) & two == two - one  # the plan lists what was made last
    pairs = {results(store)[i]["family"]: i for i in one}
    for attack_id in two - one:
        found = results(store)[attack_id]
        old = results(store)[pairs[found["family"]]]
        role = "control" if found["role"] == "control" else "attack"
        assert found["summary"][role] != old["summary"][role] and found["fingerprint"]


def test_an_attack_of_an_installed_package_is_one_entry_point(
    radpriv: Radpriv, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    write_attack(site / "probes" / "short.py", body="return score_of(view)").write_text(
        "from probes.helper import score_of\n" + (site / "probes" / "short.py").read_text()
    )
    helper = site / "probes" / "helper.py"
    helper.write_text("def score_of(view):\n    return -view.length.astype(float)\n")
    (site / "probes" / "__init__.py").touch()
    info = site / "probes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: probes\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"probes/{n}.py,,\n" for n in ("__init__", "short")))
    (info / "entry_points.txt").write_text("[radpriv.attacks]\nshorter = probes.short\n")
    monkeypatch.syspath_prepend(str(site))
    fingerprints._owners.cache_clear()
    try:
        assert "shorter" in json.loads(radpriv("list", "attacks", "--json").out)["attacks"]
        made = []
        for text in (helper.read_text(), "def score_of(view):\n    return view.length * 1.0\n"):
            helper.write_text(text)
            done = radpriv("attack", "synthetic-plain.dp_bow", "--attack", "shorter")
            assert "1 results of shorter" in done.err, done.err
            found = results(tmp_path / "store")
            made.append({i for i, r in found.items() if r["attack"] == "shorter"})
        assert len(made[0]) == 1 and len(made[1]) == 2  # a helper two imports away counts
    finally:
        fingerprints._owners.cache_clear()
        for module in [m for m in sys.modules if m.partition(".")[0] == "probes"]:
            del sys.modules[module]


def test_a_plugin_that_needs_texts_reads_them_through_the_loader(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    body = (
        "assert len(view.texts) == len(view.slots) and len(view.population.texts) > 0; "
        "return np.array([float(len(t)) for t in view.texts])"
    )
    done = radpriv("attack", ran, "--attack", write_attack(tmp_path / "t.py", '"texts"', body))
    assert "3 results of shorter on 3 families" in done.err, done.err
    reports = make_loader("synthetic-plain", {"reports": 120}).load(None).texts
    word = max(reports[0].split(), key=len)
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            assert word.encode() not in path.read_bytes(), path


def test_a_need_that_cannot_be_met_leaves_the_attack_out_with_its_reason(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    mine = write_attack(tmp_path / "u.py", '"untuned"')
    done = radpriv("attack", ran, "--attack", mine)
    assert done.code == 0 and "0 results of shorter" in done.err
    assert "tunes no encoder" in done.err and "Traceback" not in done.err
    done = radpriv(
        "attack", ran, "--data", tmp_path / "none", "--attack", write_attack(mine, '"texts"')
    )
    assert done.code == 0 and "none: no such folder" in done.err
    assert "0 results of shorter" in done.err


def test_the_start_of_a_cell_attacks_its_family_alone(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    cell = cells(store, "dp_bow")[1]
    mine = write_attack(tmp_path / "mine.py")
    for text in (cell["cell_id"], cell["cell_id"][:-10], "synthetic-plain.dp_bow"):
        done = radpriv("attack", text, "--attack", mine)
        assert done.code == 0, done.err
        assert "1 results of shorter on 1 families" in done.err
    made = [r for r in results(store).values() if r["attack"] == "shorter"]
    assert len(made) == 1 and made[0]["family"] == cell["family"]
    assert len(made[0]["cells"]) == 2
    assert len(listed(store)) == 4  # with the three of the run
    default = radpriv("attack", cell["cell_id"])  # the suite's own attacks
    assert "1 results of loss on 1 families" in default.err and len(listed(store)) == 4
    told = json.loads(radpriv("attack", cell["cell_id"], "--json").out)
    assert told["datasets"][0]["dataset"] == "synthetic-plain"


def test_a_cell_can_be_attacked_when_its_suite_is_gone(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    ran.unlink()
    done = radpriv("attack", "synthetic-plain.dp_bow", "--attack", "loss")
    assert done.code == 0 and "1 results of loss" in done.err, done.err
    texts = write_attack(tmp_path / "t.py", '"texts"')
    done = radpriv("attack", "synthetic-plain.dp_bow", "--attack", texts)
    assert done.code == 0 and "tiny.toml: cannot be read" in done.err


def test_words_that_fit_nothing_or_too_much_are_one_line(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    assert "did you mean 'quickstart'" in radpriv("attack", "quickstrat").only_line
    several = radpriv("attack", "synthetic-plain").only_line
    assert "fits 3 families" in several and "dp_bow" in several
    assert "did you mean 'loss'" in radpriv("attack", ran, "--attack", "los").only_line
    assert "cannot be read" in radpriv("attack", ran, "--attack", "none.py").only_line
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    assert "registers no attack" in radpriv("attack", ran, "--attack", empty).only_line
    wrong = radpriv("attack", "synthetic-plain.dp_bow", "--limit", "60").only_line
    assert "belong to a suite" in wrong


@pytest.mark.parametrize("name", ["candidates", "flags"])
def test_private_files_of_two_seeds_that_changed_places_are_not_attacked(
    radpriv: Radpriv, ran: Path, tmp_path: Path, name: str
) -> None:
    own = [c for c in cells(tmp_path / "store", "dp_bow") if c["role"] == "cell"]
    folders = [tmp_path / "store" / "cells" / c["cell_id"] / c["fingerprint"] for c in own]
    one, two = (folder / "private" / f"{name}.parquet" for folder in folders)
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    done = radpriv("attack", ran, "--attack", "blind", "--json")
    assert done.code == 1
    (line,) = json.loads(done.out)["not_attacked"]
    assert line.startswith("blind on dp_bow") and f"{name}.parquet" in line
    assert "those lie in" in line and "2 results of blind" in done.err


def test_an_attack_that_is_no_attack_is_refused_before_anything_is_trained(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    suite = write_suite("prior", attacks='["los"]')
    assert "did you mean 'loss'" in radpriv("run", suite).only_line
    assert not (tmp_path / "store").exists()
    bad = write_suite("prior", attacks='"loss"')
    assert "expected a list of texts" in radpriv("run", bad).only_line


def test_a_suite_may_ask_for_no_attack(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    done = radpriv("run", write_suite("prior", attacks="[]"))
    assert done.code == 0 and results(tmp_path / "store") == {}
    assert "no attack was asked for" in done.err


def test_an_interrupt_keeps_what_is_done_and_the_next_run_goes_on(
    radpriv: Radpriv, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, mine = tmp_path / "store", write_attack(tmp_path / "mine.py")
    before = (store / "plans" / "tiny.json").read_bytes()
    attacked, calls = stage_module.attack_family, []

    def once(*args: Any) -> Any:
        calls.append(args[0])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return attacked(*args)

    monkeypatch.setattr(stage_module, "attack_family", once)
    stopped = radpriv("attack", ran, "--attack", mine)
    assert stopped.code == 130 and "finished attacks are kept" in stopped.err
    assert len([r for r in results(store).values() if r["attack"] == "shorter"]) == 1
    assert (store / "plans" / "tiny.json").read_bytes() == before
    done = radpriv("attack", ran, "--attack", mine)
    assert done.code == 0 and "3 results of shorter" in done.err
    assert len(calls) == 2 + 2  # the first one was served


def test_another_note_and_other_attacks_leave_the_plan_as_it_is(
    radpriv: Radpriv, ran: Path
) -> None:
    text = ran.read_text()
    ran.write_text(text.replace('attacks = ["loss"]', 'note = "x"\nattacks = []'))
    done = radpriv("attack", ran)
    assert done.code == 0 and "no attack was asked for" in done.err, done.err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError(view.labels)", "it ended with ValueError at mine.py:"),
        ("import sys; sys.exit(3)", "it ended with SystemExit at mine.py:"),
        ("view.logits[0, 0] = 1.0; return view.length.astype(np.float64)", "ValueError at mine.py"),
        ("return view.member", "AttributeError at mine.py"),
        ("return np.full(len(view.slots), np.nan)", "scores are not finite"),
    ],
)
def test_a_plugin_that_fails_is_said_without_its_words_and_the_others_go_on(
    radpriv: Radpriv, ran: Path, tmp_path: Path, body: str, said: str
) -> None:
    mine = write_attack(tmp_path / "mine.py", body=body)
    done = radpriv("attack", ran, "--attack", mine, "--attack", "loss", "--json")
    assert done.code == 1 and "Traceback" not in done.err
    lost = json.loads(done.out)["not_attacked"]
    assert len(lost) == 3 and all(said in line for line in lost), lost
    assert {r["attack"] for i, r in results(tmp_path / "store").items()} >= {"loss"}
    assert "3 results of shorter, loss on 3 families" in done.err


def test_a_family_that_cannot_be_read_is_said_and_the_others_are_attacked(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    cell = cells(store, "prior")[0]
    record = store / "cells" / cell["cell_id"] / cell["fingerprint"] / "record.json"
    whole = record.read_text()
    record.chmod(0o600)
    record.write_text("{")
    done = radpriv("attack", ran, "--attack", "blind")
    assert "blind on prior" in done.err and str(record) in done.err
    record.write_text(whole)
    assert done.code in (1, 2)  # the report, too, needs that cell
    assert {r["attack"] for r in results(store).values()} >= {"blind"}


def test_an_attack_that_is_not_asked_for_any_more_leaves_the_report_and_is_listed_apart(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    def shown(*args: Any) -> tuple[set[str], str]:
        done = radpriv(*args, "--json")
        told = json.loads(done.out)["datasets"][0]["tables"]
        assert any("shorter" in c for c in told["leakage"]["columns"]) == (
            "leakage:shorter" in told
        )
        plain = radpriv(*args)
        assert done.code == plain.code == 0, plain.err
        return {key for key in told if key.startswith("leakage:")}, plain.out

    mine = write_attack(tmp_path / "mine.py")
    both = {"leakage:loss", "leakage:shorter"}
    found, out = shown("attack", ran, "--attack", mine)
    assert found == both and "not asked for" not in out
    for args in (("report", ran), ("attack", ran)):
        found, out = shown(*args)
        assert found == {"leakage:loss"}
        assert "not asked for here: shorter (3); `radpriv report` shows it" in out
    page = (tmp_path / "store" / "reports" / "tiny" / "report.md").read_text()
    assert "attack not shown: shorter: 3 results" in page
    mine.unlink()  # the results are there all the same
    assert shown("report", ran, "--attack", "shorter")[0] == both
    assert "did you mean 'loss'" in radpriv("report", ran, "--attack", "los").only_line


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_result_costs_the_report_one_attack_and_the_next_attack_makes_it_anew(
    radpriv: Radpriv, ran: Path, tmp_path: Path, damage: str
) -> None:
    store = tmp_path / "store"
    hurt = next(store.glob("attacks/loss.*dp_bow*/result.json"))
    whole = hurt.read_bytes()
    hurt.chmod(0o600)
    if damage == "cut":
        hurt.write_bytes(whole[:1000])
    else:
        shutil.rmtree(hurt.parent)

    done = radpriv("report", ran, "--json")
    told = json.loads(done.out)
    assert done.code == 0 and len(told["unread"]) == 1 and hurt.parent.name in told["unread"][0]
    assert "run the attack again" in told["unread"][0]
    tables = told["datasets"][0]["tables"]
    assert any(hurt.parent.name in json.dumps(row) for row in tables["missing"]["rows"])
    assert {r["method"] for r in tables["leakage:loss"]["records"]} >= {"prior"}
    assert told["unread"][0] in radpriv("report", ran).out

    radpriv("attack", ran, "--attack", "blind")  # another one does not hide it
    assert radpriv("report", ran).out.count(hurt.parent.name) == (damage == "cut")
    done = radpriv("attack", ran, "--json")
    assert done.code == 0, done.err
    assert hurt.read_bytes() == whole and json.loads(done.out)["unread"] == []
    assert len(list(store.glob("attempts/attacks/*/damaged-*"))) == (damage == "cut")


def test_a_copy_without_private_files_is_no_damage(
    radpriv: Radpriv, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in [*tmp_path.glob("store/**/private")]:
        shutil.rmtree(folder)
    assert radpriv("report", ran).code == 0
    served = radpriv("attack", ran)
    assert served.code == 0 and "3 results of loss" in served.err
    ran.write_text(ran.read_text().replace('attacks = ["loss"]', 'attacks = ["loss", "white_box"]'))
    asked = radpriv("attack", ran)
    assert asked.code == 1 and "white_box: not made" in asked.err
    monkeypatch.setattr(stage_module, "DEFAULT", ("loss", "white_box"))
    ran.write_text(ran.read_text().replace('attacks = ["loss", "white_box"]', ""))
    unasked = radpriv("attack", ran)  # nothing was planted for it, as public records say
    assert unasked.code == 0 and "3 results of loss, white_box" in unasked.err, unasked.err
    done = radpriv("attack", ran, "--attack", "blind", "--json")
    (line,) = json.loads(done.out)["not_attacked"]  # once, and not for each family
    assert done.code == 1 and "copy without private files" in line and "delete" not in line
    refused = radpriv("run", ran).only_line
    assert "a copy to be read" in refused and "delete" not in refused


def test_canaries_are_missed_only_by_attacks_that_somebody_asked_for(
    radpriv: Radpriv, ran: Path
) -> None:
    assert "plant some" in radpriv("attack", ran, "--attack", "exposure").err
    ran.write_text(ran.read_text().replace('attacks = ["loss"]', 'attacks = ["white_box"]'))
    assert "plant some" in radpriv("attack", ran).err
    ran.write_text(ran.read_text().replace('attacks = ["white_box"]', ""))
    quiet = radpriv("attack", ran)
    assert quiet.code == 0 and "white_box" in quiet.err and "plant some" not in quiet.err


def entry(cell_id: str, family: str) -> dict[str, Any]:
    return {"cell_id": cell_id, "family": family}


def test_a_whole_word_of_a_cells_id_wins_over_the_start_of_one() -> None:
    lora, wide = entry("d.e.lora.eps1.s0-aa11", "1"), entry("d.e.lora_wide.eps1.s0-bb22", "2")
    ten = entry("d.e.lora.eps10.s0-cc33", "3")
    twin = entry("d.e.lora_wide.eps1.s0-bb23", "4")  # the same words, other parameters
    every = [lora, wide, ten, twin]
    assert named_by("d.e.lora", every) == [lora, ten]
    assert named_by("d.e.lora.eps1", every) == [lora]
    assert named_by("d.e.lora_w", every) == [wide, twin]
    assert named_by("d.e.lora_wide.eps1.s0-bb22", every) == [wide]
    assert named_by("d.e.lora_wide.eps1.s0-bb2", every) == [wide, twin]
    assert named_by("x", every) == named_by("", every) == []
    assert shortest(lora, every) == "d.e.lora.eps1" and shortest(ten, every) == "d.e.lora.eps10"
    assert shortest(wide, every) == wide["cell_id"]
    for e in every:
        assert {f["family"] for f in named_by(shortest(e, every), every)} == {e["family"]}


def test_each_name_that_is_offered_for_an_ambiguous_one_finds_one_family(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    said = radpriv("attack", "synthetic-plain").only_line
    offered = re.findall(r"(synthetic-plain\.\S+) \(([^)]*)\)", said)
    assert len(offered) == 3 and sum(what.endswith("the control") for _, what in offered) == 1
    families = set()
    for name, _ in offered:
        before = results(tmp_path / "store")
        assert (
            "1 results of blind on 1 families" in radpriv("attack", name, "--attack", "blind").err
        )
        (made,) = [r for i, r in results(tmp_path / "store").items() if i not in before]
        families.add(made["family"])
    assert len(families) == 3


LATE = """import atexit, os, signal, time

atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(5)))

"""


def test_a_second_interrupt_on_the_way_out_shows_no_traceback(ran: Path, tmp_path: Path) -> None:
    body = "import signal; signal.raise_signal(signal.SIGINT)"
    mine = write_attack(tmp_path / "mine.py", body=body)
    mine.write_text(LATE + mine.read_text())
    command = "import sys; from radpriv.cli import main; main()"
    stopped = subprocess.run(
        [sys.executable, "-c", command, "attack", ran, "--attack", mine,
         "--store", tmp_path / "store"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert stopped.returncode == 130, stopped.stderr
    assert [line for line in stopped.stderr.splitlines() if line.strip()] == [
        "interrupted; finished attacks are kept, run again to go on"
    ]
