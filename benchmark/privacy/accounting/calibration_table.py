"""The noise that three accountants choose for one budget, and what each choice costs by PLD.

A table over ε × rate × steps; `radpriv account --table` prints it, docs/calibration.md keeps it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from radpriv.benchmark.privacy.accounting.accountants import Accountants, Figures
from radpriv.benchmark.privacy.accounting.calibration import calibrate, certificate
from radpriv.benchmark.privacy.accounting.group import TOGETHER, check_units, group_certificate
from radpriv.benchmark.privacy.accounting.ledger import Group, groups, read
from radpriv.benchmark.privacy.accounting.pld import NoAnswer
from radpriv.errors import PrivacyError

DELTA = 1e-5
EPSILONS = (0.01, 0.1, 1.0, 10.0)
PLANS = ((512 / 20_000, 390), (0.2, 150), (1.0, 60))
SECONDS = 10.0
"""Limit of one accountant's whole noise search."""
UNITS = (1, *TOGETHER)
HEADER = ("ε", "q", "T", "σ PLD", "σ PRV", "σ RDP", "ε(PLD)", "ε(PRV)", "ε(RDP)", "seconds")
COMMAND = "radpriv account --table --markdown > docs/calibration.md"


@dataclass(frozen=True)
class CalibrationRow:
    """Noise multipliers by accountant, their certificates by PLD, and the seconds PLD took."""

    epsilon: float
    rate: float
    steps: int
    noise: dict[str, float | None]
    certified: dict[str, float | None]
    seconds: float

    def cells(self) -> list[str]:
        numbers = [*self.noise.values(), *self.certified.values()]
        plan = [f"{self.epsilon:g}", f"{self.rate:g}", str(self.steps)]
        shown = ["no answer" if v is None else f"{v:.4g}" for v in numbers]
        return [*plan, *shown, f"{self.seconds:.2f}"]


def row(
    epsilon: float, rate: float, steps: int, ask: Accountants | None, delta: float = DELTA
) -> CalibrationRow:
    """One line; without `ask` the two other accountants are left out."""
    calibrate.cache_clear()
    began = time.perf_counter()
    sigma = calibrate(epsilon, delta, rate, steps)
    seconds = time.perf_counter() - began
    noise: dict[str, float | None] = {"PLD": sigma, "PRV": None, "RDP": None}
    if ask is not None:
        for name in ("PRV", "RDP"):
            noise[name] = ask.noise(name, epsilon, delta, rate, steps, 1.04 * sigma, SECONDS)
    certified = {
        name: None if s is None else certificate((Group(rate, s, steps),), delta, epsilon)[0]
        for name, s in noise.items()
    }
    return CalibrationRow(epsilon, rate, steps, noise, certified, seconds)


def rows() -> Iterator[CalibrationRow]:
    """The default grid, line by line as it is computed."""
    with Accountants(SECONDS) as ask:
        for rate, steps in PLANS:
            for epsilon in EPSILONS:
                yield row(epsilon, rate, steps, ask)


def markdown(table: Sequence[CalibrationRow]) -> str:
    """docs/calibration.md."""
    lines = [
        "# Noise for a budget, by three accountants",
        "",
        f"Made by `{COMMAND}`. δ = {DELTA:g}, adding or removing one unit. σ: noise standard",
        "deviation over sensitivity; q: rate of the Poisson sample; T: steps. σ PLD is what is",
        "used here; σ PRV (Opacus, at a relative error of 1%), σ RDP (dp_accounting): what those",
        "two would choose. ε(·) is the PLD certificate of each choice: the nearer to ε, the",
        "less noise is wasted, and none may exceed ε. Seconds: for σ PLD, on the machine that made",
        f"the table. *no answer*: refused, or not found within {SECONDS:g} s.",
        "",
        "| " + " | ".join(HEADER) + " |",
        "|" + "---|" * len(HEADER),
        *("| " + " | ".join(r.cells()) + " |" for r in table),
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Account:
    """A ledger by three accountants, and what it says of k units that change together."""

    delta: float
    unit: str
    figures: Figures
    together: dict[int, float | None]

    def as_dict(self) -> dict[str, Any]:
        return {
            "delta": self.delta,
            "unit": self.unit,
            "figures": [asdict(f) for f in self.figures],
            "disagreements": list(self.figures.disagreements()),
            "units_together": {str(k): v for k, v in self.together.items()},
        }

    @property
    def sentence(self) -> str:
        """What the certificate means, in one sentence."""
        bound = self.figures.bound
        if bound.epsilon is None:
            return "No accountant has an answer, so nothing can be claimed from this ledger."
        if math.isinf(bound.epsilon):
            return "A step of this ledger has no noise (ε = inf), so it protects nobody."
        large = bound.epsilon > 700  # where exp leaves the range of float64
        factor = f"exp({bound.epsilon:.4g})" if large else f"{math.exp(bound.epsilon):.4g}"
        return (
            f"By {bound.accountant}, whoever sees all releases can raise the odds that one "
            f"{self.unit} was in the data by a factor of at most {factor} "
            f"(ε = {bound.epsilon:.4g}), but for a chance of δ = {self.delta:g}."
        )


def account(path: Path, delta: float | None, units: Sequence[int]) -> Account:
    """Read a ledger file, or a cell's folder; δ and the unit come from its record where given."""
    if not path.exists():
        raise PrivacyError(
            f"{path}: cannot be read (no such file); give a ledger.jsonl, or the folder of a cell"
        )
    unit = "unit"
    ledger = path
    if path.is_dir():
        ledger, record = path / "ledger.jsonl", path / "record.json"
        if record.is_file():
            try:
                budget = json.loads(record.read_text(encoding="utf-8"))["cell"]["budget"]
                unit, stated = str(budget["unit"]), budget["delta"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise PrivacyError(f"{record}: no record of a cell ({error!r})") from error
            delta = stated if delta is None else delta
    if isinstance(delta, bool) or not isinstance(delta, int | float):
        raise PrivacyError(f"{path}: states no delta; give --delta, for example --delta 1e-5")
    if not 0 < delta < 1:
        raise PrivacyError(f"--delta {delta:g}: a certificate needs 0 < delta < 1")
    for k in units:
        check_units(k)
    made = groups(read(ledger))
    with Accountants() as ask:
        figures = ask.figures(made, delta)
    return Account(delta, unit, figures, _together(made, delta, units, figures))


def _together(
    made: Sequence[Group], delta: float, units: Sequence[int], figures: Figures
) -> dict[int, float | None]:
    """ε by the number of units; where k have no answer, more, which are more work, have none."""
    known: dict[int, float | None] = {1: figures.pld.epsilon}
    answers = known[1] is not None
    for k in sorted({*units} - {1}):
        known[k] = None
        try:
            if answers:
                known[k] = group_certificate(made, delta, k, known[1] or 1.0)
        except NoAnswer:
            answers = False
    return {k: known[k] for k in units}
