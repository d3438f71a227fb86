"""Check an attack: what all of radpriv's pass, and a plug-in should before it is believed.

    for verdict in conformance(make_attack("mine", {})): print(verdict)

Each verdict names one check and says in a sentence what was seen. The toy families
(toy_families.py) hold what an attack may declare it needs, except an encoder; an attack that needs
one is not checked, and that is said. An attack with `sees_model = False` is held to the opposite:
it must be at chance wherever the split is sound, and find a split that leaks.

The positive control is over-fitted, and its floor is what right and wrong alone give away (case: a
tool's AUC of 0.519 on a model with accuracy 0.996 and 0.554 on train and test, because it read the
wrong column of the probabilities). One label: AUC = ½ + (accuracy in − accuracy out) / 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from radpriv.attacks.attack import NEEDS, ON, Attack, Extraction
from radpriv.attacks.conformance.edge_cases import edge_case_views
from radpriv.attacks.conformance.toy_families import MAKE, Family, ToyTarget, fresh
from radpriv.attacks.metrics import Bools, Floats, auc
from radpriv.attacks.view import View
from radpriv.errors import RadprivError

FAR = 3.29
"""Standard errors that pass for luck: 1 in 1,000 for a null that holds."""
NULLS = 8
"""Independent families of the null control; one target of each."""


@dataclass(frozen=True)
class AttackVerdict:
    """Which check, whether it holds, and what was seen."""

    check: str
    passed: bool
    detail: str


def conformance(attack: Attack) -> list[AttackVerdict]:
    """All verdicts on one attack; those after a failed declaration or a crash are not asked for."""
    return list(attacked(attack))


def check_names(attack: Attack) -> tuple[str, ...]:
    """The checks that an attack without a flaw is put to, in their order."""
    if "encode" in attack.needs:
        return ("declarations", "controls")
    blind = not getattr(attack, "sees_model", True)
    controlled = not blind and not isinstance(attack, Extraction) and attack.on in FLOORS
    return (
        *("declarations", "answers", "same answer twice", "order of records", "no flags"),
        *("odd data", *(["blind to the model"] if blind else []), "direction"),
        *(["positive control"] if controlled else []),
        "null control",
    )


def attacked(attack: Attack) -> Iterator[AttackVerdict]:
    """The same verdicts, each computed when it is asked for."""
    for verdict in _checks(attack):
        yield verdict
        if not verdict.passed and verdict.check in ("declarations", "answers"):
            return


def _checks(attack: Attack) -> Iterator[AttackVerdict]:
    yield AttackVerdict("declarations", *_declared(attack))
    if "encode" in attack.needs:
        yield AttackVerdict("controls", True, "not checked: it needs an encoder, which no toy has")
        return
    leaky = fresh(MAKE[attack.on]("overfitted"))
    answers: list[Floats] = []
    yield AttackVerdict("answers", *_answers(attack, leaky, answers))
    yield AttackVerdict("same answer twice", *_repeats(attack, leaky, answers))
    yield AttackVerdict("order of records", *_order(attack, leaky[0].view, answers[0]))
    yield AttackVerdict("no flags", *_flags(attack, leaky, answers[0]))
    yield AttackVerdict("odd data", *_edge_cases(attack, leaky[0].view))
    blind = not getattr(attack, "sees_model", True)
    if blind:
        yield AttackVerdict("blind to the model", *_at_chance(attack, "overfitted"))
        leaky = fresh(MAKE[attack.on]("leaking split"))
        answers = [np.asarray(attack.score(t.view), np.float64) for t in leaky]
    yield AttackVerdict("direction", *_direction(leaky, answers))
    if not blind and not isinstance(attack, Extraction) and attack.on in FLOORS:
        yield AttackVerdict("positive control", *_control(leaky, answers, *FLOORS[attack.on]))
    yield AttackVerdict("null control", *_at_chance(attack, "untrained"))


def _declared(attack: Attack) -> tuple[bool, str]:
    if attack.on not in ON:
        return False, f"on = '{attack.on}': one of {', '.join(ON)}"
    if odd := sorted(set(attack.needs) - NEEDS):
        return False, f"needs '{odd[0]}': one of {', '.join(sorted(NEEDS))}"
    return True, f"attacks {attack.on}, needs {', '.join(sorted(attack.needs)) or 'scores alone'}"


def _answer(attack: Attack, view: View) -> Floats:
    """The answer as float64 (m,); ValueError with a sentence if it is none.

    Of an extraction NaN is an answer: not asked.
    """
    answer = attack.score(view)
    m = len(view)
    if not isinstance(answer, np.ndarray) or answer.shape != (m,):
        given = getattr(answer, "shape", type(answer).__name__)
        raise ValueError(f"it answered {given} where ({m},) was asked for")
    if not np.issubdtype(answer.dtype, np.floating):
        raise ValueError(f"it answered {answer.dtype}, not floats")
    bad = np.isinf(answer) if isinstance(attack, Extraction) else ~np.isfinite(answer)
    if bad.any():
        raise ValueError(f"{int(bad.sum())} of {m} answers are not finite")
    return answer.astype(np.float64)


def _tried(attack: Attack, view: View) -> Floats | str:
    """The answer, or what went wrong."""
    try:
        return _answer(attack, view)
    except ValueError as error:
        return str(error)
    except RadprivError as error:
        return f"it refused: {error}"
    except Exception as error:
        return f"it raised {type(error).__name__}: {error}"


def _answers(attack: Attack, toy: Family, into: list[Floats]) -> tuple[bool, str]:
    for target in toy:
        found = _tried(attack, target.view)
        if isinstance(found, str):
            return False, f"on an ordinary family {found}"
        into.append(found)
    return True, f"{len(into)} targets, finite numbers for {len(into[0])} candidates each"


def _repeats(attack: Attack, toy: Family, answers: list[Floats]) -> tuple[bool, str]:
    """After all other targets, and from empty memos, the first has the same answer."""
    for what, view in (("after other targets", toy[0].view), ("alone", fresh(toy)[0].view)):
        if not _same(_answer(attack, view), answers[0]):
            return False, f"the same view {what} gives other answers: the attack keeps a state"
    return True, "the same bits after other targets and from empty memos"


def _order(attack: Attack, view: View, answer: Floats) -> tuple[bool, str]:
    """Candidates in another order, slots and all else moving along: the same answers."""
    order = np.argsort(np.sin(np.arange(len(view)) * 12.9898))  # any fixed one
    moved = _answer(attack, view.only(order))
    spread = float(np.nanstd(answer)) or 1.0
    off = float(np.nanmax(np.abs(moved - answer[order]), initial=0.0))
    if off > 1e-6 * spread:
        return False, (
            f"in another order of records an answer moves by {off / spread:.2g} of the answers' "
            "standard deviation: position, not the record, decides"
        )
    return True, "records in another order get the same answers, to rounding"


def _flags(attack: Attack, toy: Family, answer: Floats) -> tuple[bool, str]:
    """The answer for the first target does not know that target's coins.

    The whole family is attacked with these coins and with others of the first seed's, whose outputs
    stay the same: as a reference the first seed shows its coins, and nothing may carry them over.
    """
    turned = np.stack([t.member for t in toy])
    turned[0] = ~turned[0]
    answers = []
    for coins in (np.stack([t.member for t in toy]), turned):
        whole = fresh(toy, coins)
        for target in (*whole[1:], whole[0]):
            found = _answer(attack, target.view)
        if place := _holds(whole[0].view, coins[0]):
            return False, f"the target's own flags were left in its view, at {place}"
        answers.append(found)
    if not (_same(*answers) and _same(answers[0], answer)):
        return False, "the answer changes when nothing but the target's flags does"
    return True, "the answer stays when the target's flags are turned over, and no memo holds them"


def _holds(thing: Any, flags: Bools, path: str = "view", depth: int = 6) -> str:
    """Where an array equal to the flags can be reached from a view; empty if nowhere."""
    if isinstance(thing, np.ndarray):
        if thing.shape != flags.shape or thing.dtype.kind not in "bif":
            return ""
        return path if np.array_equal(thing, flags) or np.array_equal(thing, ~flags) else ""
    if depth == 0:
        return ""
    parts: list[tuple[str, Any]] = []
    if is_dataclass(thing):
        parts = [(f".{f.name}", getattr(thing, f.name)) for f in fields(thing)]
    elif isinstance(thing, dict):
        parts = [(f"[{key!r}]", value) for key, value in thing.items()]
    elif isinstance(thing, tuple | list) and len(thing) < 1000:
        parts = [(f"[{i}]", value) for i, value in enumerate(thing)]
    for name, part in parts:
        if found := _holds(part, flags, path + name, depth - 1):
            return found
    return ""


def _edge_cases(attack: Attack, view: View) -> tuple[bool, str]:
    views = edge_case_views(view, attack.on)
    for what, odd in views.items():
        found = _tried(attack, odd)
        if isinstance(found, str):
            return False, f"with {what} {found}"
    return True, f"finite answers with {'; '.join(views)}"


def _same(one: Floats, two: Floats) -> bool:
    return np.array_equal(one, two, equal_nan=True)


def _areas(toy: Family, answers: list[Floats]) -> tuple[float, float]:
    """The mean AUC over targets, and its standard error if all were at chance."""
    areas, variances = [], []
    for target, answer in zip(toy, answers, strict=True):
        asked = ~np.isnan(answer)
        member = target.member[asked]
        areas.append(auc(answer[asked], member))
        variances.append((member.size + 1) / (12 * member.sum() * (~member).sum()))
    return float(np.mean(areas)), float(np.sqrt(np.sum(variances)) / len(areas))


def _direction(toy: Family, answers: list[Floats]) -> tuple[bool, str]:
    area, error = _areas(toy, answers)
    if area > 0.5 + FAR * error:
        return True, f"members score higher: AUC {area:.3f} where they are favoured"
    if area < 0.5 - FAR * error:
        return False, (
            f"AUC {area:.3f} where members are favoured: the sign is flipped, higher must mean "
            "more likely a member"
        )
    return False, f"AUC {area:.3f} where members are favoured: no better than chance"


def _control(
    toy: Family, answers: list[Floats], words: str, floor: Callable[[View], Floats]
) -> tuple[bool, str]:
    area, _ = _areas(toy, answers)
    least, _ = _areas(toy, [floor(t.view) for t in toy])
    if area < least:
        return False, (
            f"AUC {area:.3f} on the over-fitted control, where {words} alone gives {least:.3f}: "
            "does it read the right columns?"
        )
    return True, f"AUC {area:.3f} on the over-fitted control; {words} alone: {least:.3f}"


def _at_chance(attack: Attack, kind: str) -> tuple[bool, str]:
    """One target of each of several families whose coins can tell the attack nothing."""
    toys: list[ToyTarget] = [fresh(MAKE[attack.on](kind, n, 4))[0] for n in range(1, NULLS + 1)]
    area, error = _areas(tuple(toys), [_answer(attack, t.view) for t in toys])
    what = f"AUC {area:.3f} over {NULLS} models where there is nothing to find"
    if abs(area - 0.5) > FAR * error:
        return False, f"{what}, {abs(area - 0.5) / error:.1f} standard errors from ½"
    return True, f"{what}, within {FAR} standard errors ({error:.3f}) of ½"


def share_right(view: View) -> Floats:
    """Share of a record's labels that the target gets right, float64 (m,)."""
    observed = ~np.isnan(view.labels)
    right = ((view.logits > 0) == (view.labels > 0.5)) & observed
    return np.asarray(right.sum(axis=1) / np.maximum(observed.sum(axis=1), 1))


def largest_shown(view: View) -> Floats:
    """The largest projection of each gradient canary in any one release, float64 (m,)."""
    assert view.projections is not None
    return np.asarray(view.projections.values.max(axis=0))


FLOORS: dict[str, tuple[str, Callable[[View], Floats]]] = {
    "records": ("the share of labels that it gets right", share_right),
    "gradients": ("the largest projection", largest_shown),
}
"""What an attack must beat on the over-fitted control: the crudest honest score."""
