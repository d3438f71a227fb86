"""The workflow: what the command line's words become, and what stands for them later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from radpriv.benchmark.store import caches
from radpriv.benchmark.suites.suite import Suite, read_suite
from radpriv.errors import SuiteError, UnknownNameError
from radpriv.request import Request, choose_device
from radpriv.workflow.catalogue import catalogue
from radpriv.workflow.run_suite import _instead, run


def request(suite: Path, **changes: object) -> Request:
    values: dict[str, object] = {"suite": str(suite), "data": None, "store": Path("store")}
    return Request(**{**values, **changes})  # type: ignore[arg-type]


def test_request_without_options_is_the_suite(
    write_suite: Callable[..., Path],
) -> None:
    """As it stands."""
    path = write_suite("prior", seeds="3")
    suite, overrides, plugins = request(path).load()
    assert suite == read_suite(str(path)) and not overrides.any and plugins == []
    assert overrides.asked.suite == str(path)


def test_options_replace_their_axis_and_no_other(
    write_suite: Callable[..., Path], tiny_albert: object
) -> None:
    """Methods, encoder and size; datasets and budgets stay."""
    path = write_suite("prior", seeds="3")
    plain: Suite = request(path).load()[0]
    changed, overrides, _ = request(
        path, methods=["tfidf", "dp_bow"], encoder="a/b@c", pretrained_on="books", limit=40
    ).load()
    assert [m.name for m in changed.methods] == ["tfidf", "dp_bow"]
    assert changed.encoders == ("a/b@c",) and changed.pretrained_on == "books"
    assert changed.seeds == (0,) and overrides.limit == 40 and overrides.any
    assert changed.datasets == plain.datasets and changed.epsilons == plain.epsilons


def test_plugin_file_becomes_the_names_it_registers(
    write_suite: Callable[..., Path], tmp_path: Path
) -> None:
    """The file itself is kept beside them."""
    plugin = tmp_path / "two.py"
    plugin.write_text(
        "from dataclasses import dataclass\n"
        "from radpriv.benchmark.methods.method import Method, methods\n"
        "@methods.register('first_of_two')\n@dataclass(frozen=True)\nclass A(Method):\n"
        "    def fit(self, train, encoder, budget, run): ...\n"
        "@methods.register('second_of_two')\n@dataclass(frozen=True)\nclass B(Method):\n"
        "    def fit(self, train, encoder, budget, run): ...\n"
    )
    suite, overrides, plugins = request(write_suite("prior"), methods=[str(plugin)]).load()
    assert [m.name for m in suite.methods] == ["first_of_two", "second_of_two"]
    assert plugins == [plugin] and overrides.asked.methods == (str(plugin),)


def test_catalogue_has_a_line_for_everything() -> None:
    """For each name of each kind."""
    for kind, entries in catalogue().items():
        assert entries, kind
        for name, line in entries.items():
            assert "\n" not in line and name, kind


def test_device_is_chosen_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that is not there is an error, not the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu" == choose_device("cpu").type
    with pytest.raises(SuiteError, match="no CUDA device"):
        choose_device("cuda")
    with pytest.raises(SuiteError, match="auto, cpu or cuda"):
        choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda" == choose_device("cuda").type
    assert choose_device("cpu").type == "cpu"


def test_cache_lies_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else in the user's cache folder."""
    monkeypatch.setenv("RADPRIV_CACHE", str(tmp_path / "mine"))
    assert caches.cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("RADPRIV_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert caches.cache_folder() == tmp_path / "radpriv"


def test_unknown_method_is_refused_before_writing(
    write_suite: Callable[..., Path], tmp_path: Path
) -> None:
    """The nearest name is suggested."""
    from rich.console import Console

    mistyped = request(write_suite("prior"), store=tmp_path / "store", methods=["pryor"])
    with pytest.raises(UnknownNameError, match="did you mean 'prior'"):
        run(mistyped, Console(stderr=True))
    assert not (tmp_path / "store").exists()


def test_stand_in_dataset_is_announced(tmp_path: Path) -> None:
    """With the way to the real one."""
    suite = read_suite("quickstart")
    lines = _instead(suite, ["synthetic-plain"], tmp_path)
    assert len(lines) == 1 and "\n" not in lines[0]
    assert lines[0].startswith("openi not found, using synthetic-plain: ")
    assert "NLMCXR_reports.tgz" in lines[0]
    assert _instead(suite, ["openi"], tmp_path) == []
