"""The sections of a chest CT report: clinical information, technique, findings, impression.

Findings go organ by organ and are filled up to a drawn length with what is normal and with what is
abnormal without a label. A few findings are told by the impression alone, at the very end.
"""

from __future__ import annotations

from radpriv.benchmark.datasets.synthetic.engine.draws import lognormal
from radpriv.benchmark.datasets.synthetic.engine.realiser import Realiser
from radpriv.benchmark.datasets.synthetic.engine.slips import slip
from radpriv.benchmark.datasets.synthetic.engine.states import BLANK, NEGATIVE, POSITIVE

Sections = dict[str, str]
ORDER = ("device", "airway", "heart", "vessel", "node", "lung", "pleura", "abdomen", "bone")
_FILLED = ("airway", "heart", "lung", "abdomen", "bone")  # those with frames bp_...


class CtWriter:
    """Writes one report's sections, in order, by name."""

    def __init__(self, realiser: Realiser) -> None:
        self.realiser = realiser
        self.draw = realiser.draw
        self.visit = realiser.visit
        self.groups = [label.group for label in realiser.phrases.labels]
        states = realiser.visit.states
        self.there = [x for x, s in enumerate(states) if s == POSITIVE]
        self.denied = self.draw.shuffled([x for x, s in enumerate(states) if s == NEGATIVE])
        clear = "_clear" if self.visit.clear else ""
        self.compares = realiser.chance(f"compared{clear}")
        self.hedges = realiser.chance(f"hedged{clear}")
        self.advises = realiser.chance(f"advice{clear}")
        realiser.compares = self.compares
        self.at: dict[str, list[str]] = {group: [] for group in ORDER}

    def sections(self) -> Sections:
        out = {}
        if not self.realiser.chance("no_clinical"):
            out["clinical information"] = self._clinical()
        out["technique"] = self.realiser.frame("technique")
        concluding = not self.realiser.chance("no_impression")
        late = [x for x in self.there if concluding and self.realiser.chance("impression_only")]
        out["findings"] = self._findings([x for x in self.there if x not in late])
        if concluding:
            out["impression"] = self._impression(late)
        if self.realiser.chance("typo"):
            wrong = self.draw.pick([x for x in ("findings", "impression") if x in out])
            out[wrong] = slip(out[wrong], self.draw)
        return out

    def _clinical(self) -> str:
        """An illness asked for; it sets no label."""
        words = self._length("clinical")
        text = self.realiser.frame_text("clinical")
        for _ in range(5):
            if text.count(" ") + 1 >= words:
                break
            text += ", " + self.realiser.frame_text("clinical")
        return text[:1].upper() + text[1:] + "."

    def _findings(self, told: list[int]) -> str:
        target = self._length("findings")
        used = 0
        for label in told:
            near = [x for x in self.denied if self.groups[x] == self.groups[label]]
            kept = list(near)
            used += self._add(label, self.realiser.positive(label, near))
            self.denied = [x for x in self.denied if x not in kept or x in near]
        if self.compares:
            used += self._say("airway", self.realiser.frame("mention_prior"))
            used += self._resolved()
        if self.hedges:
            used += self._hedge(told)
        for sentence in self._negations():
            used += self._say(self.draw.pick(("lung", "node", "heart", "pleura")), sentence)
        if self.realiser.chance("trap"):
            quiet = [x for x in range(len(self.groups)) if x not in self.there]
            label = self.draw.pick(quiet)
            used += self._add(label, self.realiser.trap(self.realiser.phrases.labels[label]))
        self._fill(told, used, target)
        return " ".join(
            s for group in ORDER for s in self._joined(self.draw.shuffled(self.at[group]))
        )

    def _joined(self, sentences: list[str]) -> list[str]:
        """Some neighbours become one sentence: what one denies does not hold for the other."""
        out: list[str] = []
        for sentence in sentences:
            if out and not out[-1].endswith("?") and self.realiser.chance("joined"):
                out[-1] = f"{out[-1][:-1]}, {sentence[:1].lower()}{sentence[1:]}"
            else:
                out.append(sentence)
        return out

    def _negations(self) -> list[str]:
        extra = [self.realiser.frame_text("also_no") for _ in range(1 + self.draw.below(2))]
        return self.realiser.denied(self.denied, extra)

    def _fill(self, told: list[int], used: int, target: int) -> None:
        """Normal sentences, details of what is there, and what is abnormal without a label."""
        names = [(g, p) for g in _FILLED for p in self.realiser.phrases.frames[f"bp_{g}"]]
        normal = [*self.draw.shuffled(names), *self.draw.shuffled(names)]  # twice at the very most
        others = self.draw.shuffled(self.realiser.phrases.frames["other"])
        others = others if self.visit.other else []
        again = self.draw.shuffled(told)
        share = self.realiser.figures.rates["boilerplate"] / (1.0 - used / max(target, used + 1))
        while used < target and (normal or others or again):
            if normal and (self.draw.chance(share) or not (others or again)):
                group, phrase = normal.pop()
                used += self._say(group, self.realiser.wording((phrase,)))
            elif again and (not others or self.draw.chance(0.6)):
                label = again.pop()
                used += self._add(label, self.realiser.positive(label))
            elif others:
                group = self.draw.pick(("abdomen", "bone"))
                used += self._say(group, self.realiser.wording((others.pop(),)))

    def _hedge(self, told: list[int]) -> int:
        """One hedged sentence: of something that is there, or that bears no label."""
        able = [x for x in told if self.groups[x] != "device"]
        if not able or self.draw.chance(0.35):
            return self._say("abdomen", self.realiser.frame("maybe_other"))
        label = self.draw.pick(able)
        return self._add(label, self.realiser.maybe(label))

    def _resolved(self) -> int:
        used = 0
        for label, state in enumerate(self.visit.before or ()):
            gone = state == POSITIVE and label not in self.there
            if gone and self.realiser.chance("resolved"):
                used += self._add(label, self.realiser.resolved(label))
        return used

    def _impression(self, late: list[int]) -> str:
        target = self._length("impression")
        sentences = [self.realiser.positive(x) for x in late]
        for label in self.draw.shuffled([x for x in self.there if x not in late]):
            if not sentences or _words(sentences) + 4 < target:
                sentences.append(self.realiser.positive(label, headline=True))
        sentences = self.draw.shuffled(sentences)
        if not sentences:
            sentences.append(self.realiser.frame("normal_end"))
        if self.visit.other and self.draw.chance(0.25):
            sentences.append(self.realiser.frame("other"))
        if self.advises:
            sentences.append(self.realiser.frame("recommend"))
        blank = [x for x, s in enumerate(self.visit.states) if s in (BLANK, NEGATIVE)]
        near = [x for x in blank if self.groups[x] in ("lung", "node", "pleura")]
        extra = self.draw.shuffled(near)[:4]
        while _words(sentences) + 8 < target and extra:
            if self.draw.chance(0.5):
                sentences.append(self.realiser.frame("other"))
            else:
                sentences += self.realiser.denied([extra.pop()])
        if self.draw.chance(0.1):
            sentences.append(self.realiser.frame("closing"))
        return " ".join(sentences)

    def _add(self, label: int, sentence: str) -> int:
        return self._say(self.groups[label], sentence)

    def _say(self, group: str, sentence: str) -> int:
        self.at[group].append(sentence)
        return sentence.count(" ") + 1

    def _length(self, section: str) -> int:
        return self.draw.pick(lognormal(*self.realiser.figures.words[section]))


def _words(sentences: list[str]) -> int:
    return sum(s.count(" ") + 1 for s in sentences)
