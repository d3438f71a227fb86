"""What an uncertain (-1) and a blank label become: positive, negative, or not observed.

    policy = Policy.of("ignore, Edema=positive", "negative", CHEXPERT)
    policy.apply(states)          # (1.0, 0.0, nan, ...): the row of `Dataset.y`

"ignore" makes a label NaN: losses and metrics skip it, and a loss still divides by the constant
number of labels, so a record with few observed labels does not weigh more.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from radpriv.benchmark.datasets.chexpert import NO_FINDING
from radpriv.errors import SuiteError

UNCERTAIN = {"positive": 1.0, "negative": 0.0, "ignore": math.nan}
BLANK = {"negative": 0.0, "ignore": math.nan}


@dataclass(frozen=True)
class Policy:
    """uncertain, blank: the value of such a label, one per label.

    A blank "No Finding" is 0 under either policy: the labellers write 1 where they found nothing
    and leave it blank where they found something, so its blank is an observation.
    """

    uncertain: tuple[float, ...]
    blank: tuple[float, ...]

    @classmethod
    def of(cls, uncertain: str, blank: str, labels: Sequence[str]) -> Policy:
        chosen = parse_uncertain(uncertain, labels)
        if blank not in BLANK:
            raise SuiteError(f"option 'blank' = {blank!r}: one of {', '.join(BLANK)}")
        return cls(
            tuple(UNCERTAIN[chosen[label]] for label in labels),
            tuple(0.0 if label == NO_FINDING else BLANK[blank] for label in labels),
        )

    def apply(self, states: Sequence[float]) -> tuple[float, ...]:
        """states: 1.0, 0.0, -1.0 or NaN (blank) per label -> 1.0, 0.0 or NaN (not observed)."""
        return tuple(
            b if s != s else u if s < 0 else s
            for s, u, b in zip(states, self.uncertain, self.blank)
        )


def parse_uncertain(option: str, labels: Sequence[str]) -> dict[str, str]:
    """label -> policy from "ignore" or "ignore, Edema=positive, Atelectasis=positive"."""
    default, *special = (part.strip() for part in option.split(","))
    chosen = dict.fromkeys(labels, _known(default, option))
    seen = set()
    for part in special:
        label, equals, policy = (piece.strip() for piece in part.partition("="))
        if not equals or label not in chosen or label in seen:
            near = difflib.get_close_matches(label, labels, n=1)
            hint = f"; did you mean '{near[0]}'?" if near and near[0] != label else ""
            raise SuiteError(
                f"option 'uncertain' = {option!r}: '{part}' is no new label=policy{hint} "
                f"(labels: {', '.join(labels)})"
            )
        seen.add(label)
        chosen[label] = _known(policy, option)
    return chosen


def canonical_uncertain(option: str, labels: Sequence[str]) -> str:
    """One spelling of each policy, so that two spellings give one identity."""
    chosen = parse_uncertain(option, labels)
    default = option.split(",")[0].strip()
    special = [f"{label}={chosen[label]}" for label in labels if chosen[label] != default]
    return ", ".join([default, *special])


def _known(policy: str, option: str) -> str:
    if policy not in UNCERTAIN:
        raise SuiteError(
            f"option 'uncertain' = {option!r}: '{policy}' is none of {', '.join(UNCERTAIN)}"
        )
    return policy
