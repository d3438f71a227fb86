"""The sections of a chest radiograph report.

The labels are those of one section, as in MIMIC-CXR: of the impression, else the findings, else the
unheaded last paragraph. All that is there or uncertain is told in that section, and nothing that is
blank is denied there; the findings beside an impression tell most of it again, with what is denied,
and deny more, by habit. A section that stands alone says more of what is denied (see states.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from radpriv.benchmark.datasets.synthetic.engine.draws import lognormal
from radpriv.benchmark.datasets.synthetic.engine.realiser import DEVICE, Realiser
from radpriv.benchmark.datasets.synthetic.engine.slips import slip
from radpriv.benchmark.datasets.synthetic.engine.states import BLANK, NEGATIVE, POSITIVE, UNCERTAIN

Sections = dict[str, str]
Told = list[tuple[str, str]]
"""Sentences, each with the region that it speaks of."""
LAST = "last paragraph"
_ORDERS = (
    ("device", "heart", "vessels", "lung", "pleura", "other", "bone"),
    ("heart", "vessels", "lung", "pleura", "bone", "other", "device"),
    ("heart", "vessels", "other", "lung", "pleura", "device", "bone"),
    ("lung", "pleura", "heart", "vessels", "other", "bone", "device"),
    ("lung", "vessels", "pleura", "device", "heart", "bone", "other"),
    ("device", "lung", "pleura", "heart", "vessels", "bone", "other"),
)
"""In which order readers go through a chest; some follow none."""
_SHADOW = "Lung Opacity"
_CAUSES = ("Atelectasis", "Pneumonia", "Edema", "Consolidation")
"""What a shadow may turn out to be."""
_LONGER = 4  # words that findings grow by with each positive label
_FILLING = 3  # words that a denial takes, about


class CxrWriter:
    """Writes one report's sections, in order, by name."""

    def __init__(self, realiser: Realiser) -> None:
        self.realiser = realiser
        self.draw = realiser.draw
        self.visit = realiser.visit
        self.groups = [label.group for label in realiser.phrases.labels]
        self.by_state: dict[int, list[int]] = {s: [] for s in range(4)}
        for label, state in enumerate(realiser.visit.states):
            self.by_state[state].append(label)
        self.there = self.draw.shuffled(self.by_state[POSITIVE])
        self.open = self.by_state[UNCERTAIN]
        plain = self.visit.clear and not (self.there or self.by_state[NEGATIVE])
        self.stock = plain and realiser.chance("stock")
        self.names = [label.name for label in realiser.phrases.labels]
        self.busy = {self.groups[x] for x in (*self.there, *self.open)}

    def sections(self) -> Sections:
        rates = self.realiser.figures.rates
        out = self._opening()
        kind = self.visit.kind
        if kind == 0:
            impression = self._impression()
            out["findings"] = self._findings(_words([impression]))
            out["impression"] = impression
        elif kind == 1:
            out["impression"] = self._whole("impression")
        else:
            last = self.draw.chance(rates["neither"] / (1.0 - rates["impression"]))
            out[LAST if last else "findings"] = self._whole("findings")
        if self.realiser.chance("typo"):
            wrong = self.draw.pick([x for x in ("findings", "impression", LAST) if x in out])
            out[wrong] = slip(out[wrong], self.draw)
        if self.realiser.chance("recommendations"):
            out["recommendation(s)"] = self.realiser.frame("recommend")
        if self.realiser.chance("notification"):
            out["notification"] = self.realiser.frame("notify")
        return out

    def _opening(self) -> Sections:
        """What comes before the findings; an illness named there sets no label."""
        out = {}
        if self.realiser.chance("examination"):
            out["examination"] = self.realiser.frame_text("examination")
        reason = self.draw.weighted(
            (self.realiser.figures.rates["indication"], self.realiser.figures.rates["history"])
        )
        if reason < 2:
            out["indication" if reason == 0 else "history"] = self.realiser.frame("indication")
        if self.realiser.chance("technique"):
            out["technique"] = self.realiser.frame("technique")
        if self.realiser.chance("comparison"):
            out["comparison"] = self.realiser.frame("comparison")
        return out

    def _findings(self, concluded: int) -> str:
        """Findings beside an impression of so many words; both together reach a drawn length, the
        longer, the more is there: what is normal is told all the same."""
        if self.stock:
            return self.realiser.frame_text("stock").strip()
        longer = _LONGER * (len(self.there) - 1)
        target = max(self._both_lengths() - concluded + longer, 10)
        told: Told = []
        for label in self.there:
            if _size(told) < target and self.realiser.chance("repeat"):
                told.append((self.groups[label], self.realiser.positive(label)))
        if _size(told) < target:
            told += [("other", s) for s in self._asides()]
            open_ = [x for x in self.open if self.draw.chance(0.35)]
            told += [("lung", s) for s in self.realiser.uncertain(open_)]
        room = max(4, (target - _size(told)) // _FILLING) - len(self.by_state[NEGATIVE])
        told += self._denied(self.by_state[NEGATIVE] + self._by_habit(room), 0.1)
        return self._ordered(told + self._filling(target - _size(told)))

    def _by_habit(self, room: int) -> list[int]:
        """Labels that nothing is said of and that findings deny by habit, at most `room`."""
        labels: list[int] = []
        for label in self.draw.shuffled(self.by_state[BLANK]):
            habit = self.realiser.figures.labels[label].habit
            half = self.groups[label] == "lung" and "lung" in self.busy
            if len(labels) < room and self.draw.chance(habit / 2 if half else habit):
                labels.append(label)
        return labels

    def _denied(self, labels: Sequence[int], also: float) -> Told:
        """Sentences that deny these: several regions at once, in lists, or one by one."""
        rest, told = list(labels), []
        while len(rest) > 1 and self.realiser.chance("joint"):
            if (found := self.realiser.jointly(rest)) is None:
                break
            told.append((self.groups[min(found[0])], found[1]))
            rest = [x for x in rest if x not in found[0]]
        for region in ("heart", "bone"):
            if not self.draw.chance(0.15):
                some = [x for x in rest if self.groups[x] == region]
                told += [(region, s) for s in self.realiser.denied(some, rate="absent_habit")]
                rest = [x for x in rest if x not in some]
        return told + [("lung", s) for s in self.realiser.denied(rest, self._also_no(also))]

    def _filling(self, words: int) -> Told:
        """Sentences that what is not told is normal, without naming a label, for so many words."""
        told: Told = []
        if (
            "lung" in self.busy
            and "vessels" not in self.busy
            and self.realiser.chance("normal_rest")
        ):
            told.append(("lung", self.realiser.frame("normal_rest")))
        quiet = [g for g in ("lung", "bone", "vessels") if g not in self.busy]
        if "vessels" in self.busy and "lung" in quiet:
            quiet.remove("lung")  # lungs with edema are not clear
        usual = [g for g in quiet if self.realiser.chance(f"normal_{g}")]
        rest = [("other", p) for p in self.realiser.phrases.frames["normal"]]
        rest += [(g, p) for g in quiet for p in self.realiser.phrases.frames[f"normal_{g}"]]
        for region in usual:
            if _size(told) + 3 <= words:
                told.append((region, self.realiser.frame(f"normal_{region}")))
        for region, phrase in self.draw.shuffled(rest):
            if _size(told) + 5 > words:
                break
            if region == "other" or region not in {r for r, _ in told}:
                told.append((region, self.realiser.wording((phrase,))))
        return told

    def _ordered(self, told: Told) -> str:
        """The text, in one of the usual orders; a fifth of reports keep to none."""
        told = self.draw.shuffled(told)
        if not self.draw.chance(0.2):
            order = self.draw.pick(_ORDERS)
            told.sort(key=lambda one: order.index(one[0]))
        return " ".join(sentence for _, sentence in told)

    def _asides(self) -> list[str]:
        sentences = self._trap()
        if self.visit.before and self.draw.chance(0.2):
            sentences.append(self.realiser.frame("mention_prior"))
        if self.visit.other:
            count = self.draw.weighted((0.15, 0.6))
            sentences += [self.realiser.frame("other") for _ in range(count)]
        return sentences

    def _impression(self) -> str:
        """What is there and what is open, in brief; a headline for the rest."""
        if self.stock:
            return self.realiser.frame_text("clear_stock")
        sentences = [sentence for _, sentence in self._told(None, headline=True)]
        if self.visit.clear:
            sentences.insert(0, self.realiser.frame("clear"))
        elif self._quiet() and self.realiser.chance("no_acute"):
            if sentences and self.draw.chance(0.2):
                sentences[-1] = f"{sentences[-1][:-1]} {self.realiser.frame_text('without_acute')}."
            else:
                sentences.insert(self.draw.below(2), self.realiser.frame("no_acute"))
        elif self.draw.chance(0.15):
            sentences.append(self.realiser.frame("closing"))
        if self._must_say_other() and not (sentences and self.draw.chance(0.5)):
            sentences.append(self.realiser.frame("other"))
        sentences += self._ending()
        if len(sentences) > 1 and self.realiser.chance("numbered"):
            return " ".join(f"{i}. {s}" for i, s in enumerate(sentences, 1))
        return " ".join(sentences)

    def _quiet(self) -> bool:
        """Nothing is open, and nothing that is there counts as acute."""
        acute = [label.acute for label in self.realiser.figures.labels]
        return not (self.open or any(self.draw.chance(acute[x]) for x in self.there))

    def _whole(self, length: str) -> str:
        """A report of one section."""
        if self.stock and length == "impression":
            return self.realiser.frame_text("clear_stock")
        target = self._length(self.draw.pick((length, "findings")))
        denied = self.draw.shuffled(self.by_state[NEGATIVE])
        told = self._told(denied, headline=length == "impression")
        told += self._denied(denied, 0.2)
        if self._must_say_other() or (self.visit.other and self.draw.chance(0.5)):
            told.append(("other", self.realiser.frame("other")))
        told += [("other", sentence) for sentence in self._trap()]
        if self.visit.before and self.draw.chance(0.15):
            told.append(("other", self.realiser.frame("mention_prior")))
        closing = []
        if self.visit.clear and not (told and length == "findings" and self.draw.chance(0.4)):
            closing.append(self.realiser.frame("clear"))
        elif not self.visit.clear and self._quiet() and self.draw.chance(0.3):
            closing.append(self.realiser.frame("no_acute"))
        told += self._filling(target - _size(told) - _words(closing))
        return " ".join(filter(None, [self._ordered(told), *closing, *self._ending()]))

    def _told(self, deny: list[int] | None, headline: bool) -> Told:
        """All that is there, all that is open, and some of what is gone."""
        there, open_ = list(self.there), list(self.open)
        told = self._explained(there, open_)
        while there:
            label = there.pop()
            region = self.groups[label]
            rest = [x for x in there if DEVICE not in (region, self.groups[x])]
            if rest and self.realiser.chance("joined" if headline else "joined_long"):
                there.remove(other := self.draw.pick(rest))
                told.append((region, self.realiser.joined(label, other, headline)))
            else:
                told.append((region, self.realiser.positive(label, deny, headline)))
        told += [("lung", sentence) for sentence in self.realiser.uncertain(open_)]
        if before := self.visit.before:
            gone = [x for x in range(len(before)) if before[x] == POSITIVE and x not in self.there]
            for label in gone:
                if label not in self.open and self.realiser.chance("resolved"):
                    told.append((self.groups[label], self.realiser.resolved(label, headline)))
        return told

    def _explained(self, there: list[int], open_: list[int]) -> Told:
        """A shadow together with what it is or may be, which are then taken from the lists."""
        shadow = self.names.index(_SHADOW)
        if shadow not in there:
            return []
        for sure, labels in ((False, open_), (True, there)):
            causes = [x for x in labels if self.names[x] in _CAUSES][: 1 if sure else 2]
            if causes and self.realiser.chance("explained"):
                for label in causes:
                    labels.remove(label)
                there.remove(shadow)
                return [("lung", self.realiser.explained(shadow, causes, sure))]
        return []

    def _must_say_other(self) -> bool:
        """Nothing else says why No Finding is absent."""
        pathology = [label.pathology for label in self.realiser.figures.labels]
        return self.visit.other and not any(pathology[x] for x in (*self.there, *self.open))

    def _ending(self) -> list[str]:
        """A recommendation or a notification in the running text."""
        kind = self.draw.weighted((0.02, 0.06))
        return [] if kind == 2 else [self.realiser.frame(("recommend", "notify")[kind])]

    def _trap(self) -> list[str]:
        """A sentence that nearly names a label, in some reports; it tells of something abnormal."""
        if self.visit.clear or not self.realiser.chance("trap"):
            return []
        quiet = [x for x in range(len(self.groups)) if self.visit.states[x] < UNCERTAIN]
        return [self.realiser.trap(self.realiser.phrases.labels[self.draw.pick(quiet)])]

    def _also_no(self, p: float) -> Sequence[str]:
        return [self.realiser.frame_text("also_no")] if self.draw.chance(p) else []

    def _length(self, section: str) -> int:
        return self.draw.pick(lognormal(*self.realiser.figures.words[section]))

    def _both_lengths(self) -> int:
        """Findings and impression together; half of the time both are as long for their kind."""
        if self.draw.chance(0.5):
            return self._length("findings") + self._length("impression")
        words = self.realiser.figures.words
        tables = (lognormal(*words[name]) for name in ("findings", "impression"))
        return sum(self.draw.pick(list(zip(*tables))))


def _size(told: Told) -> int:
    return _words([sentence for _, sentence in told])


def _words(sentences: Sequence[str]) -> int:
    return sum(s.count(" ") + 1 for s in sentences)
