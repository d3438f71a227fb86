"""From what is there to a report: sections, sentences, negation lists, hedges, and the odd typo."""

from __future__ import annotations

import re

from radpriv.benchmark.datasets.synthetic.engine.stream import Stream
from radpriv.benchmark.datasets.synthetic.plain.grammar import Grammar, Label
from radpriv.benchmark.datasets.synthetic.plain.truth import Visit

_SLOT = re.compile(r"\{(\w+)\}")


class Writer:
    """Writes one report. Every draw comes from `draw`, in a fixed order."""

    def __init__(self, grammar: Grammar, visit: Visit, draw: Stream) -> None:
        self.grammar = grammar
        self.visit = visit
        self.draw = draw
        self.there = [label for label in grammar.labels if label.name in visit.now]
        self.gone = [label for label in grammar.labels if label.name not in visit.now]
        self.untold = [label for label in draw.shuffled(self.gone) if draw.chance(label.mention)]
        self.details: dict[tuple[str, str], str] = {}  # (label or "", slot) -> what was chosen

    def text(self) -> str:
        parts = []
        if self._chance("indication"):
            name = self._name(self.draw.pick(self.grammar.labels))
            parts.append(f"INDICATION: {self._sentence('indication', a=name)}")
        if self.visit.before is not None:
            parts.append(f"COMPARISON: {self._sentence('comparison')}")
        elif self._chance("comparison"):
            parts.append(f"COMPARISON: {self._sentence('no_comparison')}")
        concluding = self._chance("impression")
        late = [x for x in self.there if concluding and self._chance("impression_only")]
        findings = [self._positive(x) for x in self.there if x not in late]
        findings += self._absent() + self._boilerplate()
        parts.append("FINDINGS: " + " ".join(self.draw.shuffled(findings)))
        if concluding:
            parts.append("IMPRESSION: " + " ".join(self._impression(late)))
        text = " ".join(parts)
        return self._typo(text) if self._chance("typo") else text

    def _positive(self, label: Label) -> str:
        shape = self.grammar.shape
        kind = self.draw.weighted([shape.stated, shape.scoped, shape.leaning])
        if kind == 0:
            return self._fill(self.draw.pick(label.stated), label)
        finding = self._finding(label)
        if kind == 1 and len(self.gone) >= 3:
            names = [self._name(x) for x in self._take_gone(3)]
            return self._sentence("scoped", f=finding, **dict(zip("abc", names)))
        if kind == 2 and label.finding:
            return self._sentence("leaning", f=finding)
        before = self.visit.before
        if before is None or self.draw.chance(0.4):
            return self._sentence("plain", f=finding)
        return self._sentence("again" if label.name in before else "fresh", f=bare(finding))

    def _absent(self) -> list[str]:
        sentences = []
        before = self.visit.before or frozenset()
        for label in self.gone:
            kind = "resolved" if label.name in before else "remote"
            if self._chance(kind):
                sentences.append(self._sentence(kind, a=self._name(label)))
                self.untold = [other for other in self.untold if other is not label]
        while self.untold:
            if len(self.untold) >= 2 and self._chance("list"):
                size = 3 if len(self.untold) >= 3 and self.draw.chance(0.6) else 2
                names = [self._name(self.untold.pop()) for _ in range(size)]
                kind = "no_three" if size == 3 else "no_two"
                sentences.append(self._sentence(kind, **dict(zip("abc", names))))
                continue
            label = self.untold.pop()
            if self._chance("absent"):
                sentences.append(self._fill(self.draw.pick(label.absent), label))
            else:
                sentences.append(self._sentence("no_one", a=self._name(label)))
        return sentences

    def _boilerplate(self) -> list[str]:
        least, most = self.grammar.shape.boilerplate
        lines = self.draw.shuffled(self.grammar.sentences["boilerplate"])
        return lines[: least + self.draw.below(most - least + 1)]

    def _impression(self, late: list[Label]) -> list[str]:
        told = [x for x in self.there if x in late or self._chance("repeated")]
        sentences = []
        for label in told:
            finding = bare(self._finding(label))
            kind = "leaning" if label.finding and self._chance("leaning") else "impression"
            sentences.append(self._sentence(kind, f=finding))
        if not any(label.finding for label in self.there):
            sentences.append(self._sentence("clear"))
        elif len(self.gone) >= 2 and (not sentences or self.draw.chance(0.3)):
            names = [self._name(x) for x in self._take_gone(2)]
            sentences.append(self._sentence("no_two", **dict(zip("ab", names))))
        return sentences

    def _take_gone(self, count: int) -> list[Label]:
        """`count` different absent labels; what they say need not be said again."""
        taken = self.draw.shuffled(self.gone)[:count]
        self.untold = [label for label in self.untold if label not in taken]
        return taken

    def _chance(self, name: str) -> bool:
        return self.draw.chance(getattr(self.grammar.shape, name))

    def _finding(self, label: Label) -> str:
        """What is there, as a noun phrase: with its particulars, or by a name alone."""
        short = self._chance("short")
        return self._fill(self.draw.pick(label.names if short else label.present), label)

    def _name(self, label: Label) -> str:
        """What is not there, as a noun phrase: by a name, or with particulars ("no large ...")."""
        if not self._chance("detailed"):
            return self.draw.pick(label.names)
        return bare(self._fill(self.draw.pick(label.present), label))

    def _sentence(self, kind: str, **findings: str) -> str:
        return self._fill(self.draw.pick(self.grammar.sentences[kind]), None, **findings)

    def _fill(self, phrase: str, label: Label | None, **findings: str) -> str:
        """The phrase with its slots filled, articles mended, a capital where a sentence starts.

        A slot keeps its value within a report for one label: the fourth rib stays the fourth.
        """

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name in findings:
                return findings[name]
            key = (label.name if label else "", name)
            if key not in self.details:
                self.details[key] = self.draw.pick(self.grammar.slots[name])
            return self.details[key]

        text = re.sub(r"\ba (?=[aeiou])", "an ", _SLOT.sub(one, phrase))
        return text[0].upper() + text[1:] if text.endswith(".") else text

    def _typo(self, text: str) -> str:
        """Two neighbouring letters of one longer word swapped."""
        words = [m.span() for m in re.finditer(r"[a-z]{5,}", text)]
        start, end = self.draw.pick(words)
        at = start + 1 + self.draw.below(end - start - 2)
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def bare(finding: str) -> str:
    """The finding without its article, as headlines and adjectives want it."""
    return re.sub(r"^an? ", "", finding)
