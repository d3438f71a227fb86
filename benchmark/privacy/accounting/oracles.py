"""Two other accountants, to hold beside the certificate: RDP (dp_accounting) and PRV (Opacus).

`python -m radpriv.benchmark.privacy.accounting.oracles` answers one JSON question a line, one JSON
answer a line, so that an accountant which hangs or exhausts memory is killed from outside
(accountants.py). An accountant that raises, or whose figure is no ε, is answered by the reason.
"""

from __future__ import annotations

import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from radpriv.benchmark.privacy.accounting.calibration import certificate, search
from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.benchmark.privacy.accounting.pld import merged
from radpriv.benchmark.privacy.accounting.rdp import rdp
from radpriv.errors import PrivacyError

Answer = tuple[float, float]
"""ε and its stated error, both ways."""
RELATIVE = 0.01
"""Errors that PRV is asked for, of the ε that is expected. Opacus' default is 0.01, absolute."""
PRV_POINTS = 1 << 23
"""Largest grid PRV may use, about 1 GB; its own choice has no limit."""
MEMORY = 4 << 30


def pld(groups: Sequence[Group], delta: float, near: float) -> Answer:
    """The certificate; its error is what a grid twice as fine takes off, doubled."""
    from radpriv.benchmark.privacy.accounting import pld as engine

    epsilon, interval = certificate(groups, delta, near)
    if not 0 < epsilon < math.inf:
        return epsilon, 0.0
    finer = max(interval / 2, 1.0001 * engine.widest(groups, delta) / engine.POINTS)
    change = abs(epsilon - engine.epsilon(groups, delta, finer))
    return epsilon, 2 * change + 1e-3 * epsilon


def prv(groups: Sequence[Group], delta: float, near: float) -> Answer:
    """Gopi et al. 2021 as Opacus ships it: (estimate, half the width of its bounds).

    PrivacyError where its bounds contradict themselves or its grid would not fit in memory.
    """
    from opacus.accountants import PRVAccountant
    from opacus.accountants.analysis.prv import PoissonSubsampledGaussianPRV as Variable
    from opacus.accountants.analysis.prv import compute_safe_domain_size

    accountant = PRVAccountant()
    accountant.history = [(g.noise_multiplier, g.rate, g.steps) for g in merged(groups)]
    steps = [g.steps for g in merged(groups)]
    error, delta_error = RELATIVE * near, delta / 1000
    variables = [Variable(rate, sigma) for sigma, rate, _ in accountant.history]
    half = compute_safe_domain_size(variables, steps, error, delta_error)
    points = 2 * half * math.sqrt(sum(steps) * math.log(12 / delta_error) / 2) / error
    if not points <= PRV_POINTS:
        raise PrivacyError(f"it needs a grid of {points:.1e} points")
    found = accountant._get_dprv(eps_error=error, delta_error=delta_error)
    low, middle, high = map(float, found.compute_epsilon(delta, delta_error, error))
    looser = float(found.compute_epsilon(2 * delta, delta_error, error)[1])
    if not low <= middle <= high or looser > middle:
        raise PrivacyError(
            f"its bounds contradict themselves: {low:.4g}, {middle:.4g}, {high:.4g}; "
            f"{looser:.4g} at twice the delta"
        )
    if high - low > 3 * error + 0.05 * abs(middle):
        raise PrivacyError(f"its bounds are {low:.4g} and {high:.4g}, wider than it was asked for")
    return middle, (high - low) / 2


def _rdp(groups: Sequence[Group], delta: float, near: float) -> Answer:
    return rdp(groups, delta), 0.0


ORACLES: dict[str, Callable[[Sequence[Group], float, float], Answer]] = {
    "PLD": pld,
    "PRV": prv,
    "RDP": _rdp,
}


def noise(name: str, epsilon: float, delta: float, rate: float, steps: int, start: float) -> float:
    """Noise multiplier that this accountant finds for ε, to half a percent, from a first guess."""

    def spent(sigma: float) -> float:
        value, error = ORACLES[name]((Group(rate, sigma, steps),), delta, epsilon)
        return value + error  # what each of them guarantees

    return search(spent, epsilon, start, 1.05, 0.005)


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """One question, as the parent process asks it."""
    name = question["accountant"]
    began = time.perf_counter()
    try:
        if "noise" in question:
            return {"noise_multiplier": noise(name, *question["noise"])}
        groups = tuple(Group(*g) for g in question["groups"])
        epsilon, error = ORACLES[name](groups, question["delta"], question["near"])
        if not epsilon >= 0 or math.isnan(error):
            return {"why": f"it gave {epsilon:.4g}, which is no epsilon"}
        seconds = time.perf_counter() - began
        return {"epsilon": epsilon, "error": error, "seconds": seconds}
    except MemoryError:
        return {"why": "out of memory"}
    except Exception as reason:  # foreign code: whatever it raises is its answer
        return {"why": " ".join(str(reason).split()) or type(reason).__name__}


def main() -> None:
    """Answer questions until the input ends."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    from opacus.accountants import PRVAccountant  # seconds, before the clock of a question runs

    print(json.dumps({"ready": PRVAccountant.mechanism()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
