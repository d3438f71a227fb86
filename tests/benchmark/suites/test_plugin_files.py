"""Plug-in files that a suite names work as those that the command line names."""

from __future__ import annotations

from pathlib import Path

import pytest

from radpriv.benchmark.suites.plugin_files import load_plugin_files
from radpriv.benchmark.suites.suite import Suite, parse
from radpriv.errors import PluginError, SuiteError

METHOD = """
from dataclasses import dataclass
from radpriv.api import methods
from radpriv.baselines.prior import Prior
"""
ONE = """
@methods.register("{name}")
@dataclass(frozen=True)
class {name}(Prior):
    size: int = 1
"""
SUITE = """
epsilons = [1.0]
attacks = ["mine_attack.py", "loss"]
[[datasets]]
name = "synthetic-plain"
n_public = 90
[[methods]]
name = "{method}"
{more}
"""


def suite(method: str, more: str = "") -> Suite:
    return parse(SUITE.format(method=method, more=more), "mine.toml", "mine")


def test_a_methods_file_becomes_the_names_it_registers(tmp_path: Path) -> None:
    """From the suite's own folder; parameters, budgets and references stay with the name."""
    (tmp_path / "mine.py").write_text(METHOD + ONE.format(name="Kept"))
    (tmp_path / "mine_attack.py").write_text("")
    found, files = load_plugin_files(
        suite("mine.py", "params = { size = 3 }\nreferences = 2"), tmp_path
    )
    (axis,) = found.methods
    assert (axis.name, axis.params, axis.references) == ("Kept", {"size": 3}, 2)
    assert files == [tmp_path / "mine.py"]
    assert found.attacks == (str(tmp_path / "mine_attack.py"), "loss")


def test_a_file_of_several_methods_is_one_axis_each(tmp_path: Path) -> None:
    two = METHOD + ONE.format(name="Some") + ONE.format(name="Other")
    (tmp_path / "two.py").write_text(two)
    found, _ = load_plugin_files(suite("two.py"), tmp_path)
    assert [axis.name for axis in found.methods] == ["Some", "Other"]
    with pytest.raises(SuiteError, match="registers Some, Other; parameters and a label belong"):
        load_plugin_files(suite("two.py", 'label = "x"'), tmp_path)


def test_a_file_that_the_command_replaces_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError")
    found, files = load_plugin_files(suite("broken.py"), tmp_path, with_methods=False)
    assert found.methods[0].name == "broken.py" and not files
    with pytest.raises(PluginError, match=r"broken\.py: raised ValueError"):
        load_plugin_files(suite("broken.py"), tmp_path)
    with pytest.raises(PluginError, match=r"absent\.py: cannot be read"):
        load_plugin_files(suite("absent.py"), tmp_path)
