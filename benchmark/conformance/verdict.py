"""What a check says: one verdict a line, and what they make of a method's claim together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from radpriv.benchmark.epsilon import Epsilon
from radpriv.benchmark.strict import file_format

SCHEMA: Literal[1] = 1

WAIST = "through the waist"
CERTIFICATE = "certificate"
UNCOMPARED = "not compared: what it prints, which differs from run to run"
NO_STOP = "has no step after which it could be stopped"


Standing = Literal["by construction", "declared at best", "none"]


@file_format
@dataclass(frozen=True)
class Verdict:
    """One line: which check, of which unit and ε, whether it holds, and what was seen."""

    unit: str
    epsilon: Epsilon
    check: str
    passed: bool
    detail: str

    @property
    def plain(self) -> bool:
        """Whether the check holds, and looked at all that it looks at."""
        return self.passed and UNCOMPARED not in self.detail and NO_STOP not in self.detail


@dataclass(frozen=True)
class MethodReport:
    """All verdicts on one method. standing: what its claim may be called."""

    method: str
    verdicts: tuple[Verdict, ...] = field(repr=False)

    @property
    def passed(self) -> bool:
        return all(v.passed for v in self.verdicts)

    @property
    def standing(self) -> Standing:
        """What the claim may be called; a failed check is a counterexample, or bars replay."""
        if self.passed:
            return "by construction"
        raw = [v for v in self.verdicts if v.check == WAIST and not v.passed]
        return "declared at best" if raw else "none"

    @property
    def sentence(self) -> str:
        if self.passed:
            return (
                f"{self.method}: every check holds. Its claim stands by construction, as far as "
                "these neighbours show."
            )
        failed = list(dict.fromkeys(v.check for v in self.verdicts if not v.passed))
        return f"{self.method}: {', '.join(failed)} failed. Standing of its claim: {self.standing}."

    @property
    def verdict(self) -> CheckVerdict:
        """What `radpriv check --json` writes of it."""
        return CheckVerdict(self.method, self.standing, self.verdicts)


@file_format
@dataclass(frozen=True)
class CheckVerdict:
    """The verdict of a check on one method, as a file. standing: what its claim may be called.

    Raises:
        ValueError: the standing is not what the verdicts say.
    """

    method: str
    standing: Standing
    verdicts: tuple[Verdict, ...]
    schema: Literal[1] = SCHEMA

    def __post_init__(self) -> None:
        due = MethodReport(self.method, self.verdicts).standing
        if self.standing != due:
            raise ValueError(f"standing '{self.standing}' is not '{due}', as its verdicts say")
