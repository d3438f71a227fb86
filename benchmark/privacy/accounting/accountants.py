"""PLD, PRV and RDP side by side on one ledger, each under a time limit, and whether they agree.

    with Accountants() as ask:
        figures = ask.figures(groups(read(path)), 1e-5)
        figures.disagreements()         # () where all is well

The accountants run in a process of their own (oracles.py), because none of them bounds its time or
memory and a loop in C cannot be interrupted from within. It is killed at the limit and started
again for the next question. The certificate of a run (calibration.py) does not pass here: it is
bounded in advance.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from radpriv.benchmark.privacy.accounting.calibration import check
from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.errors import PrivacyError

SECONDS = 30.0
"""Default limit of one question."""
STARTING = 120.0
"""Limit for the process to start: it imports torch."""
ROUNDING = 1e-6
"""Relative difference that is no disagreement."""


@dataclass(frozen=True)
class EpsilonFigure:
    """One accountant's ε, or why it gave none. error: stated by itself, both ways, nats."""

    accountant: str
    epsilon: float | None
    error: float = 0.0
    seconds: float = 0.0
    why: str = ""

    def __str__(self) -> str:
        return "no answer" if self.epsilon is None else f"{self.epsilon:.4g}"


@dataclass(frozen=True)
class Figures:
    """The three of them. PLD and RDP are upper bounds, PRV an estimate between bounds."""

    pld: EpsilonFigure
    prv: EpsilonFigure
    rdp: EpsilonFigure

    def __iter__(self) -> Any:
        return iter((self.pld, self.prv, self.rdp))

    @property
    def bound(self) -> EpsilonFigure:
        """The tightest sound upper bound that was given: PLD, else RDP, by its name."""
        return self.pld if self.pld.epsilon is not None else self.rdp

    def disagreements(self) -> tuple[str, ...]:
        """One sentence for each expectation that the figures break."""
        pld, prv, rdp = self.pld, self.prv, self.rdp
        found = []
        if pld.epsilon is not None and rdp.epsilon is not None:
            excess = pld.epsilon - pld.error - rdp.epsilon
            if excess > ROUNDING * rdp.epsilon:
                found.append(
                    f"PLD {pld.epsilon:.5g} is above RDP {rdp.epsilon:.5g}, an upper bound, by "
                    f"more than its error {pld.error:.1g}: one of the two is wrong"
                )
        if pld.epsilon is not None and prv.epsilon is not None and pld.epsilon < math.inf:
            gap = abs(pld.epsilon - prv.epsilon)
            if gap > (pld.error + prv.error) * (1 + ROUNDING) + ROUNDING * pld.epsilon:
                found.append(
                    f"PLD {pld.epsilon:.5g} and PRV {prv.epsilon:.5g} differ by {gap:.2g}, more "
                    f"than their errors {pld.error:.1g} and {prv.error:.1g}"
                )
        if (
            prv.epsilon is not None
            and rdp.epsilon is not None
            and prv.epsilon - prv.error > rdp.epsilon * (1 + ROUNDING)
        ):
            found.append(
                f"PRV {prv.epsilon:.5g} is above RDP {rdp.epsilon:.5g}, an upper bound, by more "
                f"than its error {prv.error:.1g}"
            )
        return tuple(found)


class Accountants:
    """Asks the accountants in a second process, which is started when first needed."""

    command: tuple[str, ...] = (
        sys.executable,
        "-m",
        "radpriv.benchmark.privacy.accounting.oracles",
    )

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Accountants:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def figures(
        self, groups: Sequence[Group], delta: float, seconds: float | None = None
    ) -> Figures:
        """All three; a grid is chosen for PLD from RDP, and for PRV from PLD."""
        check(groups, delta)
        if any(g.noise_multiplier == 0 for g in groups) or not groups:
            value = math.inf if groups else 0.0
            return Figures(*(EpsilonFigure(name, value) for name in ("PLD", "PRV", "RDP")))
        rdp = self.figure("RDP", groups, delta, 1.0, seconds)
        pld = self.figure("PLD", groups, delta, rdp.epsilon or 1.0, seconds)
        near = pld.epsilon or rdp.epsilon or 1.0
        return Figures(pld, self.figure("PRV", groups, delta, near, seconds), rdp)

    def figure(
        self,
        accountant: str,
        groups: Sequence[Group],
        delta: float,
        near: float,
        seconds: float | None = None,
    ) -> EpsilonFigure:
        """One accountant's answer within the limit."""
        steps = [(g.rate, g.noise_multiplier, g.steps) for g in groups]
        question = {"accountant": accountant, "groups": steps, "delta": delta, "near": near}
        found = self._ask(question, seconds)
        if "why" in found:
            return EpsilonFigure(accountant, None, why=found["why"])
        return EpsilonFigure(accountant, found["epsilon"], found["error"], found["seconds"])

    def noise(
        self,
        accountant: str,
        epsilon: float,
        delta: float,
        rate: float,
        steps: int,
        start: float,
        seconds: float | None = None,
    ) -> float | None:
        """The noise multiplier that this accountant would choose; None where it has no answer."""
        asked = [epsilon, delta, rate, steps, start]
        found = self._ask({"accountant": accountant, "noise": asked}, seconds)
        return found.get("noise_multiplier")

    def _ask(self, question: dict[str, Any], seconds: float | None) -> dict[str, Any]:
        limit = self.seconds if seconds is None else seconds
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
        except OSError:
            self.close()
            return {"why": "its process ended"}
        line, late = self._line(process, limit)
        if not line:
            self.close()
            return {"why": f"more than {limit:g} s" if late else "its process ended"}
        found: dict[str, Any] = json.loads(line)
        return found

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if not self._line(self._process, STARTING)[0]:
            self.close()
            raise PrivacyError("the accountants' process does not start: " + " ".join(self.command))
        return self._process

    @staticmethod
    def _line(process: subprocess.Popen[str], seconds: float) -> tuple[str, bool]:
        """(the next line, whether it was killed at the limit); no line where the process ended."""
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, kill)
        timer.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
        finally:
            timer.cancel()
        return ("" if late.is_set() else line), late.is_set()
