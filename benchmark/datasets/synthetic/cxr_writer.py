"""The sections of a chest radiograph report.

The labels are those of one section, as in MIMIC-CXR: of the impression, else the findings, else the
unheaded last paragraph. All that is there or uncertain is told in that section, and nothing that is
blank is denied there; the findings beside an impression tell most of it again, with what is denied,
and deny more.
"""

from __future__ import annotations

from collections.abc import Sequence

from radpriv.benchmark.datasets.synthetic.draws import lognormal
from radpriv.benchmark.datasets.synthetic.slips import slip
from radpriv.benchmark.datasets.synthetic.states import BLANK, NEGATIVE, POSITIVE, UNCERTAIN
from radpriv.benchmark.datasets.synthetic.teller import Teller

Sections = dict[str, str]
LAST = "last paragraph"


class CxrWriter:
    """Writes one report's sections, in order, by name."""

    def __init__(self, teller: Teller) -> None:
        self.tell = teller
        self.draw = teller.draw
        self.visit = teller.visit
        self.groups = [label.group for label in teller.book.labels]
        self.by_state: dict[int, list[int]] = {s: [] for s in range(4)}
        for label, state in enumerate(teller.visit.states):
            self.by_state[state].append(label)
        self.there = self.draw.shuffled(self.by_state[POSITIVE])
        self.open = self.by_state[UNCERTAIN]
        plain = self.visit.clear and not (self.there or self.by_state[NEGATIVE])
        self.stock = plain and teller.chance("stock")
        self.busy = {self.groups[x] for x in (*self.there, *self.open)}

    def sections(self) -> Sections:
        rates = self.tell.figures.rates
        out = self._opening()
        both = rates["impression"] + rates["findings"] + rates["neither"] - 1.0
        shares = (both, rates["impression"] - both, rates["findings"] - both)
        kind = self.draw.weighted(shares)
        if kind == 0:
            impression = self._impression()
            out["findings"] = self._findings(_words([impression]))
            out["impression"] = impression
        elif kind == 1:
            out["impression"] = self._whole("impression")
        else:
            out["findings" if kind == 2 else LAST] = self._whole("findings")
        if self.tell.chance("typo"):
            wrong = self.draw.pick([x for x in ("findings", "impression", LAST) if x in out])
            out[wrong] = slip(out[wrong], self.draw)
        if self.tell.chance("recommendations"):
            out["recommendation(s)"] = self.tell.frame("recommend")
        if self.tell.chance("notification"):
            out["notification"] = self.tell.frame("notify")
        return out

    def _opening(self) -> Sections:
        """What comes before the findings; an illness named there sets no label."""
        out = {}
        if self.tell.chance("examination"):
            out["examination"] = self.tell.frame_text("examination")
        reason = self.draw.weighted(
            (self.tell.figures.rates["indication"], self.tell.figures.rates["history"])
        )
        if reason < 2:
            out["indication" if reason == 0 else "history"] = self.tell.frame("indication")
        if self.tell.chance("technique"):
            out["technique"] = self.tell.frame("technique")
        if self.tell.chance("comparison"):
            out["comparison"] = self.tell.frame("comparison")
        return out

    def _findings(self, concluded: int) -> str:
        """Findings beside an impression of so many words; both together reach a drawn length."""
        if self.stock:
            return self.tell.frame_text("stock").strip()
        target = self._both_lengths() - concluded
        blank = list(self.by_state[BLANK])
        if "lung" in self.busy and self.draw.chance(0.5):
            blank = [x for x in blank if self.groups[x] != "lung"]
        blank = self.draw.shuffled(blank)
        sentences = self.tell.denied(self.by_state[NEGATIVE], self._also_no(0.12))
        for label in self.there:
            if _words(sentences) < target and self.tell.chance("repeat"):
                sentences.append(self.tell.positive(label, blank))
        if _words(sentences) < target:
            sentences += self.tell.uncertain([x for x in self.open if self.draw.chance(0.35)])
            sentences += self._asides()
        normal = self._normal()
        while (not sentences or _words(sentences) + 6 < target) and (blank or normal):
            if blank and (not normal or self.draw.chance(0.6)):
                size = min(len(blank), 1 + self.draw.below(3))
                sentences += self.tell.denied([blank.pop() for _ in range(size)])
            else:
                sentences.append(normal.pop())
        return " ".join(self.draw.shuffled(sentences))

    def _asides(self) -> list[str]:
        sentences = self._trap()
        if self.visit.before and self.draw.chance(0.25):
            sentences.append(self.tell.frame("mention_prior"))
        if self.visit.other and self.draw.chance(0.75):
            sentences.append(self.tell.frame("other"))
        return sentences

    def _impression(self) -> str:
        """What is there and what is open, in brief; a headline for the rest."""
        if self.stock:
            return self.tell.frame_text("clear_stock")
        sentences = self._told(None, headline=True)
        if self.visit.clear or (not sentences and self.draw.chance(0.5)):
            sentences.insert(0, self.tell.frame("clear"))
        if self._must_say_other():
            sentences.append(self.tell.frame("other"))
        elif not self.visit.clear and self.draw.chance(0.25):
            sentences.append(self.tell.frame("closing"))
        sentences += self._ending()
        if len(sentences) > 1 and self.tell.chance("numbered"):
            return " ".join(f"{i}. {s}" for i, s in enumerate(sentences, 1))
        return " ".join(sentences)

    def _whole(self, length: str) -> str:
        """A report of one section."""
        if self.stock and length == "impression":
            return self.tell.frame_text("clear_stock")
        target = self._length(length)
        denied = self.draw.shuffled(self.by_state[NEGATIVE])
        sentences = self._told(denied, headline=length == "impression")
        sentences += self.tell.denied(denied, self._also_no(0.4))
        if self._must_say_other() or (self.visit.other and self.draw.chance(0.5)):
            sentences.append(self.tell.frame("other"))
        sentences += self._trap()
        if self.visit.before and self.draw.chance(0.15):
            sentences.append(self.tell.frame("mention_prior"))
        if self.visit.clear:
            sentences.append(self.tell.frame("clear"))
        normal = self._normal()
        while _words(sentences) + 3 < target and normal:
            sentences.append(normal.pop())
        return " ".join(self.draw.shuffled(sentences + self._ending()))

    def _told(self, deny: list[int] | None, headline: bool) -> list[str]:
        sentences = [self.tell.positive(x, deny, headline) for x in self.there]
        sentences += self.tell.uncertain(self.open)
        if before := self.visit.before:
            gone = [x for x in range(len(before)) if before[x] == POSITIVE and x not in self.there]
            for label in gone:
                if label not in self.open and self.tell.chance("resolved"):
                    sentences.append(self.tell.resolved(label, headline))
        return sentences

    def _must_say_other(self) -> bool:
        """Nothing else says why No Finding is absent."""
        pathology = [label.pathology for label in self.tell.figures.labels]
        return self.visit.other and not any(pathology[x] for x in (*self.there, *self.open))

    def _ending(self) -> list[str]:
        """A recommendation or a notification in the running text."""
        kind = self.draw.weighted((0.02, 0.06))
        return [] if kind == 2 else [self.tell.frame(("recommend", "notify")[kind])]

    def _normal(self) -> list[str]:
        """Sentences that what is not told is normal, without naming a label; in random order."""
        names = ["normal"]
        names += [f"normal_{g}" for g in ("lung", "vessels", "bone") if g not in self.busy]
        phrases = [p for name in names for p in self.tell.book.frames[name]]
        return [self.tell.wording((p,)) for p in self.draw.shuffled(phrases)[:9]]

    def _trap(self) -> list[str]:
        """A sentence that nearly names a label, in some reports; it tells of something abnormal."""
        if self.visit.clear or not self.tell.chance("trap"):
            return []
        quiet = [x for x in range(len(self.groups)) if self.visit.states[x] < UNCERTAIN]
        return [self.tell.trap(self.tell.book.labels[self.draw.pick(quiet)])]

    def _also_no(self, p: float) -> Sequence[str]:
        return [self.tell.frame_text("also_no")] if self.draw.chance(p) else []

    def _length(self, section: str) -> int:
        return self.draw.pick(lognormal(*self.tell.figures.words[section]))

    def _both_lengths(self) -> int:
        """Findings and impression together; half of the time both are as long for their kind."""
        if self.draw.chance(0.5):
            return self._length("findings") + self._length("impression")
        words = self.tell.figures.words
        tables = (lognormal(*words[name]) for name in ("findings", "impression"))
        return sum(self.draw.pick(list(zip(*tables))))


def _words(sentences: Sequence[str]) -> int:
    return sum(s.count(" ") + 1 for s in sentences)
