"""Plug-in files that a suite names: `name = "my_method.py"` in [[methods]] or [[datasets]], and
`attacks = ["my_attack.py"]`.

A path is taken from the suite's own folder, else from where the command runs. The names that a file
registers then stand in the plan as those of any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from radpriv.benchmark.datasets.base import datasets
from radpriv.benchmark.methods.method import methods
from radpriv.benchmark.suites.suite import DatasetAxis, MethodAxis, Suite
from radpriv.errors import SuiteError


def load_plugin_files(
    suite: Suite, place: Path, with_methods: bool = True
) -> tuple[Suite, list[Path]]:
    """The suite with names for files, and the files of datasets and methods; those of attacks are
    imported by the attack stage. place: the suite's folder.  with_methods: false where the command
    line names others, so that a file which is not used cannot stop it.

    Raises:
        PluginError: a file cannot be loaded, or registers nothing of its kind.
        SuiteError: it registers several, where one is asked for.
    """
    files: list[Path] = []

    def dataset(axis: DatasetAxis) -> DatasetAxis:
        if axis.otherwise is not None:
            axis = replace(axis, otherwise=dataset(axis.otherwise))
        if not axis.name.endswith(".py"):
            return axis
        path = _path(axis.name, place)
        names = datasets.load_file(path)
        if len(names) > 1:
            raise SuiteError(f"{path}: it registers {', '.join(names)}; a suite takes one dataset")
        files.append(path)
        return replace(axis, name=names[0])

    def each_method(axis: MethodAxis) -> Iterator[MethodAxis]:
        if not axis.name.endswith(".py"):
            yield axis
            return
        path = _path(axis.name, place)
        names = methods.load_file(path)
        if len(names) > 1 and (axis.label or axis.params):
            raise SuiteError(
                f"{path}: it registers {', '.join(names)}; parameters and a label belong to one "
                "method: give each its own file"
            )
        files.append(path)
        for name in names:
            yield replace(axis, name=name)

    found = replace(suite, datasets=tuple(map(dataset, suite.datasets)))
    if with_methods:
        found = replace(
            found, methods=tuple(m for axis in suite.methods for m in each_method(axis))
        )
    if suite.attacks is not None:
        words = (str(_path(w, place)) if w.endswith(".py") else w for w in suite.attacks)
        found = replace(found, attacks=tuple(words))
    return found, files


def _path(name: str, place: Path) -> Path:
    beside = place / name
    return beside if beside.is_file() else Path(name)
