"""Whether what a suite names is there: methods with their parameters, datasets with their options.

check_names(suite, "mine.toml")
# SuiteError: mine.toml: methods[1]: no method is called 'tfdif'; did you mean 'tfidf'? (known: …)

Before anything is read or trained, and with the place in the file. Encoders are looked up by
`expand`, as one that is not there stops its own cells alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from radpriv.benchmark.datasets.base import build, make_loader
from radpriv.benchmark.methods.method import methods
from radpriv.benchmark.suites.suite import DatasetAxis, Suite
from radpriv.errors import SuiteError, UnknownNameError


def check_names(suite: Suite, where: str, with_methods: bool = True) -> None:
    """with_methods: false where the command line names others.

    Raises:
        SuiteError: names `where`, the table, and what is wrong in it.
    """
    for number, axis in enumerate(suite.datasets):
        _check_dataset(axis, f"{where}: datasets[{number}]")
    for number, method in enumerate(suite.methods if with_methods else ()):
        with placed(f"{where}: methods[{number}]"):
            build(methods.get(method.name), method.params, f"method '{method.name}'", "parameter")


def _check_dataset(axis: DatasetAxis, place: str) -> None:
    with placed(place):
        make_loader(axis.name, axis.options)
    if axis.otherwise is not None:
        _check_dataset(axis.otherwise, f"{place}.otherwise")


@contextmanager
def placed(place: str) -> Iterator[None]:
    """A wrong name or value inside is told with its place."""
    try:
        yield
    except (UnknownNameError, SuiteError) as error:
        raise SuiteError(f"{place}: {error}") from error
