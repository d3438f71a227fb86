"""Request: what a user asked for, in words; every verb of the command line makes one.

Beside it the small words of the command line: NAME=VALUE and the name of a device.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radpriv.benchmark.store.plan_schema import SuiteRequest
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.named import check_names
from radpriv.benchmark.suites.plugin_files import load_plugin_files
from radpriv.benchmark.suites.suite import Overrides, Suite, read_suite, shipped
from radpriv.benchmark.user_input import TooLarge, read_plain
from radpriv.errors import StoreError, SuiteError


@dataclass
class Request:
    """What the user asked for."""

    suite: str
    data: Path | None
    store: Path
    methods: list[str] = field(default_factory=list)
    encoder: str = ""
    pretrained_on: str = ""
    limit: int | None = None
    device: str = "auto"

    def load(self) -> tuple[Suite, Overrides, list[Path]]:
        """The suite with the overrides applied; plug-in files are imported and become names."""
        from radpriv.benchmark.methods.method import methods

        for word in (self.suite, *self.methods, self.encoder, self.pretrained_on):
            _refuse_lost_bytes(word)
        names, plugins = [], []
        for value in self.methods:
            if value.endswith(".py"):
                names += methods.load_file(value)
                plugins.append(Path(value))
            else:
                names.append(value)
        asked = SuiteRequest(self.suite, tuple(self.methods), self.encoder, self.pretrained_on)
        overrides = Overrides(tuple(names), self.encoder, self.pretrained_on, self.limit, asked)
        suite, files = load_plugin_files(
            self._suite(), Path(self.suite).parent, with_methods=not self.methods
        )
        check_names(suite, self.place, with_methods=not self.methods)
        return overrides.apply(suite), overrides, [*plugins, *files]

    @property
    def place(self) -> str:
        """The suite, as an error names it."""
        written = self.suite.endswith(".toml") or "/" in self.suite
        return self.suite if written else f"suite '{self.suite}'"

    def _suite(self) -> Suite:
        """The suite as it stands; SuiteError that says so where a plan was named in its place."""
        try:
            return read_suite(self.suite)
        except SuiteError:
            if self.suite.endswith(".toml") or "/" in self.suite or self.suite in shipped():
                raise
            with suppress(StoreError):
                planned = Store(self.store).read_plan(self.suite).asked.suite
                raise SuiteError(
                    f"no suite is called '{self.suite}'; the plan of that name in {self.store} was "
                    f"made from {planned}: give that"
                ) from None
            raise


def _refuse_lost_bytes(word: str) -> None:
    """SuiteError for a word that a plan cannot keep: a plan is UTF-8, a path may be any bytes."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise SuiteError(
            f"'{word}': its bytes are not UTF-8, which a plan must keep it as; rename it"
        ) from None


def choose_device(name: str) -> Any:
    """torch.device for auto, cpu or cuda."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise SuiteError(f"--device {name}: give auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise SuiteError("--device cuda: no CUDA device is available here; use cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def parse_parameter(text: str, flag: str) -> tuple[str, Any]:
    """NAME=VALUE, the value as TOML writes it; bare words are text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise SuiteError(f"{flag} {text}: give NAME=VALUE")
    try:
        found = read_plain(f"value = {value}")["value"]
    except ValueError:
        return name, value
    if isinstance(found, TooLarge):
        raise SuiteError(f"{flag} {text}: {value} is too large for a number")
    return name, found
