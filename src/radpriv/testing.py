"""Conformance suites as pytest parameters: a plug-in's test file is three lines.

    from radpriv.testing import parametrize_checks

    @parametrize_checks("my_method.py")
    def test_my_method(check): check()

Each check is a test with an id, `my_method-report-eps8-sensitivity`. Checks of one plug-in share
what they compute: a replay is made once, as far as the checks that are run need it. The data is
public and made up, so a failure may show everything. scikit-learn's parametrize_with_checks does
the same for estimators.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from radpriv.attacks.attack import Attack, attacks
from radpriv.attacks.conformance import check_attack
from radpriv.benchmark.conformance import check_dataset, check_method
from radpriv.benchmark.conformance.check_dataset import Source
from radpriv.benchmark.datasets.base import Loader, build, datasets
from radpriv.benchmark.methods.method import Method, methods
from radpriv.benchmark.registry import Registry, import_file
from radpriv.errors import AttackError, PluginError, UnknownNameError

EPSILONS = (8.0,)
"""Budgets at which a method is replayed; `radpriv check` takes a second one."""
REGISTRIES: tuple[tuple[Registry[Any], str], ...] = (
    (methods, "parameter"),
    (attacks, "parameter"),
    (datasets, "option"),
)


class Seen(Protocol):
    """What a suite says of one check; passed is None where it does not apply."""

    @property
    def check(self) -> str: ...
    @property
    def passed(self) -> bool | None: ...
    @property
    def detail(self) -> str: ...


class ConformanceSuite:
    """One run of a conformance suite, made as far as its verdicts are asked for, and once."""

    def __init__(self, begin: Callable[[], Iterator[Seen]]) -> None:
        self._begin = begin
        self._run: Iterator[Seen] | None = None
        self._seen: dict[str, Seen] = {}
        self._last = ""

    def verdict(self, check: str) -> Seen | str:
        """The verdict of a check, or in words why there is none."""
        self._run = self._run or self._begin()
        while check not in self._seen:
            try:
                found = next(self._run)
            except StopIteration:
                return f"not reached: {self._last or 'the suite ended before'}"
            except BaseException as error:
                self._last = f"the suite ended with {type(error).__name__}"
                raise
            self._seen[found.check] = found
            if found.passed is False:
                self._last = f"'{found.check}' failed: {found.detail}"
        return self._seen[check]


@dataclass(frozen=True)
class Check:
    """One check of one plug-in: passes, fails with what was seen, or is skipped with a reason."""

    plugin: str
    name: str
    suite: ConformanceSuite
    setting: str = ""

    @property
    def id(self) -> str:
        """Readable, and the same in every process."""
        parts = (self.plugin, self.setting, self.name.replace(" ", "_"))
        return "-".join(part for part in parts if part)

    def __call__(self) -> None:
        """Run it inside a test of pytest's."""
        import pytest

        found = self.suite.verdict(self.name)
        if isinstance(found, str):
            pytest.fail(f"{self.id}: {found}", pytrace=False)
        if found.passed is None:
            pytest.skip(f"{self.id}: {found.detail}")
        if not found.passed:
            pytest.fail(f"{self.id}: {found.detail}", pytrace=False)


def parametrize_checks(
    plugin: str | Path | Method | Attack | Loader,
    *,
    params: Mapping[str, Any] | None = None,
    units: tuple[str, ...] = (),
    epsilons: tuple[float, ...] = EPSILONS,
    encoder: str = "bert",
    source: Source | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run every conformance check of a plug-in as a test of its own, with the argument `check`.

    Args:
        plugin: a .py file (looked for beside the test file, then here), of which everything that it
            registers is checked; the name of a method, attack or dataset; or such an object.
        params: parameters or options that are not the defaults, of a name or a file.
        units: of a method's claim; all that it declares if not given.
        epsilons: budgets at which a method is replayed.
        encoder: "bert" or "albert", tiny, of a method that uses one.
        source: of a dataset that reads files: a function that writes a small made-up source into a
            data folder.

    Returns:
        A decorator, `pytest.mark.parametrize("check", …)`.

    Raises:
        PluginError: the file cannot be loaded, or registers nothing.
        UnknownNameError: nothing is called so.
        AttackError: a method claims no privacy, or not for such a unit or budget.
        SuiteError: a parameter or option that the plug-in has not.
    """
    import pytest

    frame = inspect.currentframe()
    caller = Path(frame.f_back.f_code.co_filename) if frame and frame.f_back else Path()
    checks = [
        check
        for name, item in _plugins(plugin, params or {}, caller.parent)
        for check in _checks(name, item, units, epsilons, encoder, source)
    ]
    return pytest.mark.parametrize("check", [pytest.param(c, id=c.id) for c in checks])


def _plugins(plugin: Any, params: Mapping[str, Any], beside: Path) -> list[tuple[str, Any]]:
    """(name, object) of all that is to be checked."""
    if not isinstance(plugin, str | Path):
        return [(getattr(plugin, "name", type(plugin).__name__), plugin)]
    if str(plugin).endswith(".py"):
        place = beside / plugin
        module = import_file(place if place.is_file() else Path(plugin))
        found = [(r, word, n) for r, word in REGISTRIES for n in r.of_module(module)]
        if not found:
            raise PluginError(f"{plugin}: it registers no method, attack or dataset")
    else:
        found = [(r, word, str(plugin)) for r, word in REGISTRIES if plugin in r.names()]
        if not found:
            raise UnknownNameError(
                f"no method, attack or dataset is called '{plugin}': see `radpriv list`, or give "
                "a .py file"
            )
    return [(n, build(r.get(n), params, f"{r.kind} '{n}'", word)) for r, word, n in found]


def _checks(
    name: str,
    item: Any,
    units: tuple[str, ...],
    epsilons: tuple[float, ...],
    encoder: str,
    source: Source | None,
) -> Iterator[Check]:
    if isinstance(item, Method):
        for unit, epsilon in check_method.requested(name, item, units, epsilons, encoder):
            suite = ConformanceSuite(_replay(item, unit, epsilon, encoder))
            for check in check_method.check_names(item):
                yield Check(name, check, suite, f"{unit}-eps{epsilon:g}")
    elif isinstance(item, Attack):
        suite = ConformanceSuite(lambda: iter(check_attack.attacked(item)))
        yield from (Check(name, check, suite) for check in check_attack.check_names(item))
    elif isinstance(item, Loader):
        suite = ConformanceSuite(lambda: iter(check_dataset.check_dataset(item, source)))
        yield from (Check(name, check, suite) for check in check_dataset.CHECKS)
    else:
        raise AttackError(f"{name}: no Method, Attack or Loader, so no suite checks it")


def _replay(
    method: Method, unit: str, epsilon: float, encoder: str
) -> Callable[[], Iterator[Seen]]:
    return lambda: iter(check_method.replayed(method, unit, epsilon, encoder))
