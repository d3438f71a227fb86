"""synthetic-ct-rate: chest CT reports with 18 labels, calibrated on published figures of CT-RATE.

    SyntheticCTRate(reports=3000, seed=0).load(None)

Rates of labels and of what is denied, which of them come together, how often a keyword tells a
finding, lengths and cues are those published for CT-RATE; ct_rate.toml holds them, each with its
source. No text of it was used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from radpriv.benchmark.datasets.base import Card, datasets
from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS
from radpriv.benchmark.datasets.reference_figures import Published
from radpriv.benchmark.datasets.synthetic.ct_rate.ct_writer import CtWriter
from radpriv.benchmark.datasets.synthetic.engine import targets
from radpriv.benchmark.datasets.synthetic.engine.identities import IDENTITY_PHRASES
from radpriv.benchmark.datasets.synthetic.engine.realiser import Realiser
from radpriv.benchmark.datasets.synthetic.engine.states import POSITIVE
from radpriv.benchmark.datasets.synthetic.engine.twin import Twin, TwinReport

HERE = Path(__file__).parent
_TRAIN = "CGV-VLM3D/Triplane_T2CT@ae4d78b: 24,128 train scans"


@datasets.register("synthetic-ct-rate")
@dataclass(frozen=True)
class SyntheticCTRate(Twin):
    """text: which sections make the text, as for ct-rate, or "report": all, with headings."""

    name = "synthetic-ct-rate"
    labels = LABELS
    figures_file = HERE / "ct_rate.toml"
    phrase_files = (HERE / "ct_rate_phrases.toml", IDENTITY_PHRASES)
    texts = ("findings+impression", "findings", "impression", "report")
    card = Card(
        title="synthetic-ct-rate: generated chest CT reports, calibrated on published figures of "
        "CT-RATE",
        licence="Apache-2.0, part of radpriv",
        access="generated on the spot; no download",
        release="open",
        labels_from="known by construction: the text is written from the states positive, denied "
        "and not mentioned of each label. No label is uncertain: a hedge is written for what is "
        "there, or for what bears no label",
        unit_note="a patient has 1 to 5 reports (1.21 on average), all on one side of the split",
        known_errors=(
            "co-occurrence is published for 44 pairs of labels; the other 109 share one value, at "
            "which as many reports have no label as in CT-RATE",
            "'explicit negation' is published as a keyword in a label-negative report: unreliable "
            "for arterial and coronary calcification and for lymphadenopathy",
            "at the same number of words MiniLM's tokenizer gives more tokens (median 327) than "
            "CT-RATE is said to have (259), and fewer than CT-CLIP's 1,000 manual reports (369)",
            "rankings carry over in part (docs/twins.md): tfidf ties with a LoRA that reads 384 "
            "tokens, where LoRA is 0.08 weighted F1 above it on Open-i, and beats a linear probe "
            "by 0.12, where they tie on Open-i; at 128 tokens LoRA sees a third of a report and "
            "falls behind a labeller by keywords (at 2,400 reports)",
            "silver: one label of 4.31% of reports, the share that differs when the published "
            "classifier is run again; how often it errs was not published per label",
            "which findings a model misses depends on wordings that were written by hand: the twin "
            "supports claims about methods under known labels, never a number on the real data",
        ),
        calibrated_on=("ct-rate",),
    )

    def published(self) -> tuple[Published, ...]:
        figures = self.figures()
        found = (
            Published("reports_per_patient/mean", 1.21, 0.06, _TRAIN),
            Published("no_positive", 0.1132, targets.RATE, _TRAIN),
            Published("positives/mean", 3.407, 0.1, _TRAIN),
            *targets.positive(figures, _TRAIN),
            *targets.phi(figures, _TRAIN),
        )
        if self.text == "findings+impression":
            found += (Published("words/mean", 230, 15, f"{_TRAIN}: 196 and 34"),)
        return found

    def write(self, realiser: Realiser) -> dict[str, str]:
        return CtWriter(realiser).sections()

    def chosen(self, sections: dict[str, str]) -> str:
        if self.text == "report":
            return " ".join(f"{name.upper()}: {body}" for name, body in sections.items())
        return " ".join(sections[name] for name in self.text.split("+") if name in sections)

    def y(self, report: TwinReport) -> tuple[float, ...]:
        return tuple(float(state == POSITIVE) for state in report.states)
