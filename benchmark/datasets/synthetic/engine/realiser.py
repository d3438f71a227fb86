"""From states of labels to sentences: what is there, what is denied, what is left open.

Shared by both twins; their phrase books give the words, and their writers the sections.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from radpriv.benchmark.datasets.synthetic.engine.calibration_figures import Calibration
from radpriv.benchmark.datasets.synthetic.engine.draws import Tape
from radpriv.benchmark.datasets.synthetic.engine.phrase_templates import Expander, Phrase, agreeing
from radpriv.benchmark.datasets.synthetic.engine.phrases import Phrases, Wording
from radpriv.benchmark.datasets.synthetic.engine.states import POSITIVE, VisitStates

DEVICE = "device"
"""The group of labels that are put in by somebody: never suspected, never better or worse."""

Memory = dict[int, dict[str, str]]
"""Particulars of a patient's findings, by label, kept from visit to visit while they last."""


class Realiser:
    """Sentences of one report. Every draw comes from `draw`, in a fixed order."""

    def __init__(
        self,
        phrases: Phrases,
        figures: Calibration,
        visit: VisitStates,
        memory: Memory,
        draw: Tape,
        who: Mapping[str, str],
    ) -> None:
        self.phrases = phrases
        self.figures = figures
        self.visit = visit
        self.draw = draw
        self.memory = memory
        self.expander = Expander(phrases.slots, phrases.sticky, draw)
        self.details = dict(who)  # particulars of the report, the patient's sex among them
        for label in [x for x in memory if visit.states[x] != POSITIVE]:
            del memory[label]
        self.keyed = [draw.chance(rates.recall) for rates in figures.labels]
        self.changed: dict[int, str] = {}
        self.said: dict[int, dict[str, str]] = {}  # how each finding was last named
        self.compares = True  # whether this report speaks of the last visit at all

    def chance(self, rate: str) -> bool:
        return self.draw.chance(self.figures.rates[rate])

    def frame(self, name: str, **fills: str) -> str:
        """A sentence of this kind."""
        phrase = self.draw.pick(self.phrases.frames[name])
        return finished(self.expander.text(phrase, self.details, fills))

    def positive(self, label: int, deny: list[int] | None = None, headline: bool = False) -> str:
        """A sentence that says the label is there. deny: absent ones that it may deny as well, and
        then takes from the list. headline: briefly, as an impression does."""
        words = self.phrases.labels[label]
        keyed = self.keyed[label]
        if self.draw.chance(0.12 if headline else 0.28):
            told = words.stated if keyed else words.told
            return finished(self.expander.text(self.draw.pick(told), self._details(label)))
        fills = self._finding(label, brief=headline)
        if deny and self.chance("scoped"):
            fills["a"] = self.name(deny.pop())
            if deny and self.draw.chance(0.4):
                return self.frame("scoped_two", b=self.name(deny.pop()), **fills)
            return self.frame("scoped", **fills)
        if self.chance("consistent") and words.group != DEVICE:
            return self.frame("consistent", **fills)
        change = self._change(label)
        if headline:
            change = "headline" if change == "plain" else f"headline_{change}"
        return self.frame(change, **fills)

    def joined(self, one: int, other: int, headline: bool = False) -> str:
        """One sentence that says both are there."""
        fills = self._finding(one, brief=headline)
        return self.frame("joined", b=self._finding(other, brief=headline)["g"], **fills)

    def explained(self, label: int, causes: Sequence[int], sure: bool) -> str:
        """A sentence that says what is there, and what it comes from: one or two of `causes`."""
        names = [self.name(cause) for cause in causes[:2]]
        kind = "explained" if sure else "maybe_explained"
        fills = {**self._finding(label), **dict(zip("ab", names))}
        return self.frame(kind if len(names) == 1 else f"{kind}_two", **fills)

    def maybe(self, label: int) -> str:
        """A hedged sentence of something that is there."""
        return self.frame("maybe", **self._finding(label))

    def _details(self, label: int) -> dict[str, str]:
        return self.memory.setdefault(label, {})

    def _finding(self, label: int, brief: bool = False) -> dict[str, str]:
        """What fills {f} and {g} for something that is there, with the verbs that agree."""
        same = self.figures.rates.get("same", 0.0)
        if same and label in self.said and self.draw.chance(same):
            return dict(self.said[label])
        words = self.phrases.labels[label]
        keyed = words.brief if brief and words.brief else words.keyed
        phrase = self.draw.pick(keyed if self.keyed[label] else words.unkeyed)
        finding = self.expander.text(phrase, self._details(label))
        self.said[label] = {"f": finding, "g": bare(finding), **agreeing(phrase.plural)}
        return dict(self.said[label])

    def _change(self, label: int) -> str:
        """How the finding compares with the last visit, the same all through the report."""
        before = self.visit.before
        if before is None or not self.compares:
            return "plain"
        device = self.phrases.labels[label].group == DEVICE
        if label not in self.changed:
            if before[label] == POSITIVE:
                shares: tuple[float, ...] = (0.55,) if device else (0.55, 0.13, 0.12)
                kinds: tuple[str, ...] = ("stable", "worse", "better")
            else:
                shares, kinds = (0.5,), ("new",)
            index = self.draw.weighted(shares)
            self.changed[label] = kinds[index] if index < len(shares) else "plain"
        if self.changed[label] != "plain" and self.draw.chance(0.3):
            return "plain"  # not every sentence says it
        return self.changed[label]

    def uncertain(self, labels: Sequence[int]) -> list[str]:
        """Sentences that leave these open."""
        rest, sentences = self.draw.shuffled(labels), []
        while rest:
            label = rest.pop()
            words = self.phrases.labels[label]
            phrase = self.draw.pick(words.bare if self.draw.chance(0.6) else words.keyed)
            finding = self.expander.text(phrase, {})
            fills = {"f": finding, "g": bare(finding), **agreeing(phrase.plural)}
            if rest and self.draw.chance(0.35):
                sentences.append(self.frame("versus", b=self.name(rest.pop()), **fills))
            elif self.draw.chance(0.07):
                sentences.append(self.frame("versus", b=self.frame_text("alternative"), **fills))
            else:
                sentences.append(self.frame("hedged", **fills))
        return sentences

    def denied(
        self, labels: Sequence[int], extra: Sequence[str] = (), rate: str = "absent"
    ) -> list[str]:
        """Sentences that deny these, many of them pooled in one list. extra: names of things that
        bear no label, denied along. rate: of sentences of the label's own, among the others."""
        named: list[int | str] = [*labels, *extra]
        rest = self.draw.shuffled(named)
        sentences = []
        while rest:
            if len(rest) > 1 and self.chance("list"):
                size = min(len(rest), 2 + self.draw.below(3))
                names = [self._denied_name(rest.pop()) for _ in range(size)]
                kind = ("no_two", "no_three", "no_four")[size - 2]
                sentences.append(self.frame(kind, **dict(zip("abcd", names))))
                continue
            one = rest.pop()
            if isinstance(one, str):
                sentences.append(self.frame("no_one", a=one, **agreeing(False)))
            elif self.chance(rate):
                sentences.append(self.wording(self.phrases.labels[one].absent))
            else:
                phrase = self.draw.pick(self.phrases.labels[one].bare)
                name = self.expander.text(phrase, {})
                sentences.append(self.frame("no_one", a=name, **agreeing(phrase.plural)))
        return sentences

    def jointly(self, labels: Sequence[int]) -> tuple[frozenset[int], str] | None:
        """Some of these and a sentence that denies them all at once; None if there is none."""
        fitting = [joint for joint in self.phrases.joint if joint.denies <= set(labels)]
        if not fitting:
            return None
        joint = self.draw.pick(fitting)
        return joint.denies, self.wording(joint.wordings)

    def _denied_name(self, one: int | str) -> str:
        return self.name(one) if isinstance(one, int) else one

    def name(self, label: int) -> str:
        """One of the label's names, as it stands after "no"."""
        return self.expander.text(self.draw.pick(self.phrases.labels[label].bare), {})

    def frame_text(self, name: str) -> str:
        """A phrase of this kind that is no sentence."""
        return self.expander.text(self.draw.pick(self.phrases.frames[name]), self.details, {})

    def wording(self, phrases: Sequence[Phrase]) -> str:
        return finished(self.expander.text(self.draw.pick(phrases), {}))

    def trap(self, words: Wording) -> str:
        """A sentence that names the label, or nearly, and says nothing of it."""
        return self.wording(words.traps)

    def resolved(self, label: int, headline: bool = False) -> str:
        return self.frame("resolved_short" if headline else "resolved", a=self.name(label))


def bare(finding: str) -> str:
    """The finding without its article, as headlines and adjectives want it."""
    return finding.removeprefix("a ").removeprefix("an ")


_SPACES = re.compile(r"\s+")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeio]|un[^i]|8\b|11\b|18\b)")


def finished(text: str) -> str:
    """One sentence: spaces and articles mended, a capital first, a stop last."""
    text = _ARTICLE.sub(r"\1n ", _SPACES.sub(" ", text)).strip().replace(" ,", ",")
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", ":")) else text + "."
