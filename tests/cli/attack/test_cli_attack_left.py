"""What a report shows of attacks not asked for any more, or damaged; cells named by half."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from radpriv.attacks import attack_plan as stage_module
from radpriv.benchmark.store import examples
from radpriv.benchmark.store.plan_schema import PlannedCell
from radpriv.workflow.target import named_by, shortest

from .shared import Radpriv, results, write_attack


def test_attack_no_longer_requested_is_listed_apart(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    """It leaves the report, which says that it is there and how to see it."""

    def shown(*args: Any) -> tuple[set[str], str]:
        done = radpriv(*args, "--json")
        tables = json.loads(done.out)["datasets"][0]["tables"]
        assert any("shorter" in c for c in tables["leakage"]["columns"]) == (
            "leakage:shorter" in tables
        )
        plain = radpriv(*args)
        assert done.code == plain.code == 0, plain.err
        return {key for key in tables if key.startswith("leakage:")}, plain.out

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


@pytest.mark.parametrize("damage", ["cut", "unknown key", "gone"])
def test_damaged_result_is_left_out_and_made_again(
    radpriv: Radpriv, ran: Path, tmp_path: Path, damage: str
) -> None:
    """It costs the report one attack, and the next attack makes it again."""
    store = tmp_path / "store"
    hurt = next(store.glob("attacks/loss.*dp_bow*/result.json"))
    complete = hurt.read_bytes()
    hurt.chmod(0o600)
    if damage == "cut":
        hurt.write_bytes(complete[:1000])
    elif damage == "unknown key":
        hurt.write_text(json.dumps({**json.loads(complete), "more": 1}))
    else:
        shutil.rmtree(hurt.parent)

    done = radpriv("report", ran, "--json")
    summary = json.loads(done.out)
    assert done.code == (damage != "gone")
    tables = summary["datasets"][0]["tables"]
    assert {r["method"] for r in tables["leakage:loss"]["records"]} >= {"prior"}
    if damage != "gone":
        (unread,) = summary["unread"]
        assert hurt.parent.name in unread and "run the attack again" in unread
        assert any(hurt.parent.name in json.dumps(row) for row in tables["missing"]["rows"])
        assert unread in radpriv("report", ran).out
    else:
        assert not summary["unread"] and "not attacked yet" in json.dumps(tables["leakage"])

    radpriv("attack", ran, "--attack", "blind")  # another one does not hide it
    assert radpriv("report", ran).out.count(hurt.parent.name) == (damage != "gone")
    done = radpriv("attack", ran, "--json")
    assert done.code == 0, done.err
    assert hurt.read_bytes() == complete and json.loads(done.out)["unread"] == []
    assert len(list(store.glob("attempts/attacks/*/damaged-*"))) == (damage != "gone")


def test_copy_without_private_files_is_no_damage(
    radpriv: Radpriv, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is finished is reported and served; what needs private files says why it cannot."""
    for folder in [*tmp_path.glob("store/**/private")]:
        shutil.rmtree(folder)
    assert radpriv("report", ran).code == 0
    served = radpriv("attack", ran)
    assert served.code == 0 and "3 results of loss" in served.err
    ran.write_text(ran.read_text().replace('attacks = ["loss"]', 'attacks = ["loss", "white_box"]'))
    requested = radpriv("attack", ran)
    assert requested.code == 1 and "white_box: not made" in requested.err
    monkeypatch.setattr(stage_module, "DEFAULT", ("loss", "white_box"))
    ran.write_text(ran.read_text().replace('attacks = ["loss", "white_box"]', ""))
    by_default = radpriv("attack", ran)  # nothing was planted for it, as public records say
    assert by_default.code == 0 and "3 results of loss, white_box" in by_default.err, by_default.err
    done = radpriv("attack", ran, "--attack", "blind", "--json")
    (line,) = json.loads(done.out)["not_attacked"]  # once, and not for each family
    assert done.code == 1 and "copy without private files" in line and "delete" not in line
    refused = radpriv("run", ran).only_line
    assert "a copy to be read" in refused and "delete" not in refused


def test_missing_canaries_matter_to_requested_attacks_only(radpriv: Radpriv, ran: Path) -> None:
    """An attack that is made by default and needs canaries is left out in silence."""
    assert "plant some" in radpriv("attack", ran, "--attack", "exposure").err
    ran.write_text(ran.read_text().replace('attacks = ["loss"]', 'attacks = ["white_box"]'))
    assert "plant some" in radpriv("attack", ran).err
    ran.write_text(ran.read_text().replace('attacks = ["white_box"]', ""))
    quiet = radpriv("attack", ran)
    assert quiet.code == 0 and "white_box" in quiet.err and "plant some" not in quiet.err


def entry(cell_id: str, family: str) -> PlannedCell:
    return examples.planned_cell(cell_id=cell_id, family=family)


def test_whole_word_of_a_cell_id_wins() -> None:
    """Over the start of one: "lora" is no "lora_wide"."""
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
    assert shortest(wide, every) == wide.cell_id
    for e in every:
        assert {f.family for f in named_by(shortest(e, every), every)} == {e.family}


def test_names_offered_for_an_ambiguous_one_are_unique(
    radpriv: Radpriv, ran: Path, tmp_path: Path
) -> None:
    """Each finds one family."""
    sentence = radpriv("attack", "synthetic-plain").only_line
    offered = re.findall(r"(synthetic-plain\.\S+) \(([^)]*)\)", sentence)
    assert len(offered) == 3 and sum(what.endswith("the control") for _, what in offered) == 1
    families = set()
    for name, _ in offered:
        before = results(tmp_path / "store")
        assert "1 result of blind on 1 family" in radpriv("attack", name, "--attack", "blind").err
        (made,) = [r for i, r in results(tmp_path / "store").items() if i not in before]
        families.add(made.family)
    assert len(families) == 3


LATE = """import atexit, os, signal, time

atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(5)))

"""


def test_second_interrupt_shows_no_traceback(ran: Path, tmp_path: Path) -> None:
    """One that comes while Python is on its way out."""
    body = "import signal; signal.raise_signal(signal.SIGINT)"
    mine = write_attack(tmp_path / "mine.py", body=body)
    mine.write_text(LATE + mine.read_text())
    # A job in the background of a script is born deaf to interrupts, and so would this one be.
    command = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command += "from radpriv.cli.main import main; main()"
    stopped = subprocess.run(
        [sys.executable, "-c", command, "attack", ran, "--attack", mine,
         "--store", tmp_path / "store"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert stopped.returncode == 130, stopped.stderr
    assert [line for line in stopped.stderr.splitlines() if line.strip()] == [
        "interrupted; finished attacks are kept, run again to go on"
    ]
