"""A dataset or encoder that cannot be used: said once, before anything is trained; others run."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Radpriv

from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.store.store import Store

WriteSuite = Callable[..., Path]
Tiny = Callable[[str], Encoder]


@pytest.fixture
def broken(tiny_bert: Encoder, tmp_path: Path) -> Path:
    """A copy that resolves and does not load: its weights have other shapes than config says."""
    folder = Path(shutil.copytree(tiny_bert.folder, tmp_path / "broken"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 64}))
    return folder


@pytest.fixture
def cut_short(tmp_path: Path) -> Path:
    """A data folder whose Open-i archive ends in its middle."""
    data = tmp_path / "data"
    (data / "openi").mkdir(parents=True)
    (data / "openi" / "NLMCXR_reports.tgz").write_bytes(gzip.compress(bytes(4096))[:-20])
    return data


def with_openi(suite: Path) -> Path:
    """The suite, with Open-i as a dataset before its own."""
    head, rest = suite.read_text().split("[[datasets]]", 1)
    openi = '[[datasets]]\nname = "openi"\nn_public = 90\n'
    suite.write_text(f"{head}{openi}[[datasets]]{rest}")
    return suite


def encoders(*folders: Path | str) -> str:
    return json.dumps([str(folder) for folder in folders])


def test_missing_encoder_stops_its_own_cells_alone(
    radpriv: Radpriv, write_suite: WriteSuite, tiny_bert: Encoder, tmp_path: Path
) -> None:
    """Those of the other encoder, and of methods without one, are trained and reported."""
    both = encoders(tiny_bert.folder, tmp_path / "nowhere")
    suite = write_suite("linear_probe", "prior", encoders=both, attacks="[]", control="false")
    done = radpriv("run", suite)
    assert done.code == 1 and done.err.count("no such folder") == 1
    assert "cells of encoder" in done.err and "nowhere" in done.err
    (name,) = Store(tmp_path / "store").plans()
    cells = Store(tmp_path / "store").read_plan(name).cells
    assert {(c.axes.method, c.axes.encoder, c.status) for c in cells} == {
        ("linear_probe", "tiny-bert", "done"),
        ("prior", "", "done"),
    }
    said = json.loads(radpriv("run", suite, "--json").out)
    assert said["failed"] == {} and len(said["left_out"]) == 1


def test_broken_encoder_is_said_once_for_all_its_cells(
    radpriv: Radpriv, write_suite: WriteSuite, broken: Path, tmp_path: Path
) -> None:
    """Six cells, one line; the plan keeps the reason of each."""
    top = {"encoders": encoders(broken), "seeds": "3", "attacks": "[]", "control": "false"}
    suite = write_suite("linear_probe", "lora", "prior", **top)
    done = radpriv("run", suite)
    assert done.code == 1 and done.err.count("has another shape than config.json") == 1
    assert "6 cells cannot be run: encoder 'broken' (bert)" in done.err
    assert done.err.index("cannot be run") < done.err.index("1/3")
    assert "6 cells without a result" in done.err and "Traceback" not in done.err
    (name,) = Store(tmp_path / "store").plans()
    cells = Store(tmp_path / "store").read_plan(name).cells
    assert sum("another shape" in c.reason for c in cells) == 6


@pytest.mark.parametrize("fault", ["missing", "broken"])
def test_nothing_is_trained_where_all_but_controls_is_stopped(
    radpriv: Radpriv, write_suite: WriteSuite, broken: Path, tmp_path: Path, fault: str
) -> None:
    """The one sentence ends the command; a control alone would tell nothing."""
    folder = broken if fault == "broken" else tmp_path / "nowhere"
    suite = write_suite("dp_lora", "linear_probe", encoders=encoders(folder))
    sentence = radpriv("run", suite).sentence
    assert ("another shape" if fault == "broken" else "no such folder") in sentence
    assert not (tmp_path / "store" / "cells").exists()


def test_length_that_is_too_long_is_refused_before_training(
    radpriv: Radpriv, write_suite: WriteSuite, tiny: Tiny, tmp_path: Path
) -> None:
    """Of RoBERTa's 66 positions 64 can be read."""
    suite = write_suite("linear_probe", encoders=encoders(tiny("roberta").folder))
    text = suite.read_text()
    suite.write_text(text.replace("max_length = 32", "max_length = 65"))
    assert (
        "(roberta) reads at most 64 tokens, and max_length is 65" in radpriv("run", suite).sentence
    )
    assert not (tmp_path / "store" / "cells").exists()


@pytest.mark.parametrize("kind", ["mpnet", "deberta-relative", "gpt2", "modernbert"])
def test_other_architecture_trains_and_is_recorded(
    radpriv: Radpriv,
    write_suite: WriteSuite,
    tiny: Tiny,
    kind: str,
    tmp_path: Path,
) -> None:
    """By adapters on the top layer and by a head, and attacked; the record says how it attends."""
    top = {"encoders": encoders(tiny(kind).folder), "epsilons": "[8.0]", "control": "false"}
    done = radpriv("run", write_suite("dp_lora", "dp_linear_probe", **top))
    assert done.code == 0, done.err
    store = Store(tmp_path / "store")
    (name,) = store.plans()
    for cell in store.read_plan(name).cells:
        found = store.lookup(cell.cell_id, cell.fingerprint)
        assert found is not None and found.record.status == "done"
        assert found.record.encoder is not None
        eager = kind in ("mpnet", "deberta-relative")
        assert found.record.encoder.attention == ("eager" if eager else "sdpa")


def test_damaged_dataset_is_said_once_and_the_other_is_run(
    radpriv: Radpriv, write_suite: WriteSuite, cut_short: Path, tmp_path: Path
) -> None:
    """Eleven cells, one line, before anything is trained."""
    top = {"seeds": "5", "attacks": "[]"}
    suite = with_openi(write_suite("prior", "tfidf", **top))
    done = radpriv("run", suite, "--data", cut_short)
    assert done.code == 1 and done.err.count("NLMCXR_reports.tgz: cut short") == 1, done.err
    assert "cells cannot be run: " in done.err and "Traceback" not in done.err
    assert "cut short" not in done.out and "(said above)" in done.out
    assert done.err.index("cut short") < done.err.index("1/15")
    (name,) = Store(tmp_path / "store").plans()
    cells = Store(tmp_path / "store").read_plan(name).cells
    by_status = {
        status: {c.axes.dataset for c in cells if c.status == status}
        for status in ("done", "failed")
    }
    assert by_status == {"done": {"synthetic-plain"}, "failed": {"openi"}}
    assert sum("cut short" in c.reason for c in cells) == len(cells) / 2 >= 11


def test_absent_dataset_stops_its_own_cells_alone(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    suite = with_openi(write_suite("prior", attacks="[]", control="false"))
    done = radpriv("run", suite, "--data", tmp_path / "data")
    assert done.code == 1 and done.err.count("holds neither openi/") == 1, done.err
    assert "cells of dataset 'openi' cannot be run" in done.err
    (name,) = Store(tmp_path / "store").plans()
    cells = Store(tmp_path / "store").read_plan(name).cells
    assert {(c.axes.dataset, c.status) for c in cells} == {("synthetic-plain", "done")}


def test_damaged_dataset_alone_ends_the_command(
    radpriv: Radpriv, write_suite: WriteSuite, cut_short: Path, tmp_path: Path
) -> None:
    suite = write_suite("prior", "tfidf", seeds="5")
    text = suite.read_text().replace("synthetic-plain", "openi")
    suite.write_text(text.replace("options = { reports = 120 }\n", ""))
    assert "cut short" in radpriv("run", suite, "--data", cut_short).sentence
    assert not (tmp_path / "store" / "cells").exists()
