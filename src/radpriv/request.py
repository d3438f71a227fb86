"""Request: what a user asked for, in words; every verb of the command line makes one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from radpriv.benchmark.store.plan_schema import Asked
from radpriv.benchmark.suites.suite import Overrides, Suite, read_suite


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

        names, plugins = [], []
        for value in self.methods:
            if value.endswith(".py"):
                names += methods.load_file(value)
                plugins.append(Path(value))
            else:
                names.append(value)
        asked = Asked(self.suite, tuple(self.methods), self.encoder, self.pretrained_on)
        overrides = Overrides(tuple(names), self.encoder, self.pretrained_on, self.limit, asked)
        return overrides.apply(read_suite(self.suite)), overrides, plugins
