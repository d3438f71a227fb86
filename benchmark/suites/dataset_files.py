"""Datasets that a suite names by a plug-in file: `name = "my_dataset.py"` in [[datasets]].

The path is taken from the suite's own folder, else from where the command runs. The file registers
one dataset, whose name then stands in the plan as that of any other.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from radpriv.benchmark.datasets.base import datasets
from radpriv.benchmark.suites.suite import DatasetAxis, Suite
from radpriv.errors import SuiteError


def load_dataset_files(suite: Suite, place: Path) -> tuple[Suite, list[Path]]:
    """The suite with names for files, and the files. place: the suite's folder.

    Raises:
        PluginError: a file cannot be loaded, or registers no dataset.
        SuiteError: it registers several.
    """
    files: list[Path] = []

    def named(axis: DatasetAxis) -> DatasetAxis:
        if axis.otherwise is not None:
            axis = replace(axis, otherwise=named(axis.otherwise))
        if not axis.name.endswith(".py"):
            return axis
        beside = place / axis.name
        path = beside if beside.is_file() else Path(axis.name)
        names = datasets.load_file(path)
        if len(names) > 1:
            raise SuiteError(f"{path}: it registers {', '.join(names)}; a suite takes one dataset")
        files.append(path)
        return replace(axis, name=names[0])

    return replace(suite, datasets=tuple(named(axis) for axis in suite.datasets)), files
