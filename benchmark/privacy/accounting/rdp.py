"""RDP: an upper bound on ε that is quick and never hangs, looser than the certificate.

Used beside the certificate, and named in a refusal where PLD has no answer.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.benchmark.privacy.accounting.pld import merged
from radpriv.errors import PrivacyError

LARGE = [m << n for n in range(10, 16) for m in (2, 3)]
"""Orders beyond dp_accounting's largest, 1024, which ends the use of RDP below ε = 0.02."""
GROUPS = 200
"""Different kinds of step that are evaluated, about 0.1 s each with the large orders."""


def rdp(groups: Sequence[Group], delta: float) -> float:
    """ε(δ) by Rényi DP (Mironov et al. 2019) of sampled Gaussians under add/remove."""
    from dp_accounting import dp_event
    from dp_accounting.rdp import RdpAccountant
    from dp_accounting.rdp.rdp_privacy_accountant import DEFAULT_RDP_ORDERS

    if any(g.noise_multiplier == 0 for g in groups):
        return math.inf
    work = merged(groups)
    if len(work) > GROUPS:
        raise PrivacyError(f"{len(work)} different kinds of step, more than {GROUPS}")
    found = math.inf
    for orders in (DEFAULT_RDP_ORDERS, LARGE):
        accountant = RdpAccountant(orders)
        with _quiet():
            for g in work:
                step: dp_event.DpEvent = dp_event.GaussianDpEvent(g.noise_multiplier)
                if g.rate < 1:
                    step = dp_event.PoissonSampledDpEvent(g.rate, step)
                accountant.compose(dp_event.SelfComposedDpEvent(step, g.steps))
            epsilon, order = accountant.get_epsilon_and_optimal_order(delta)
        found = min(found, float(epsilon))
        if order < DEFAULT_RDP_ORDERS[-1]:
            break
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """dp_accounting warns of each order that it leaves out; the bound stands without them."""
    logger = logging.getLogger("absl")
    level, logger.level = logger.level, logging.ERROR
    try:
        yield
    finally:
        logger.level = level
