"""Figures of CT-RATE that others published, to stand beside what a download here gives."""

from __future__ import annotations

from radpriv.benchmark.datasets.reference_figures import Published

_PAPER = "CT-RATE, arXiv:2403.17834: 20,000 + 1,304 patients, 24,128 + 1,564 scans"
_COUNTED = "label files by scan, CGV-VLM3D/Triplane_T2CT@ae4d78b: 24,128 train + 1,564 validation"
_TRAIN = "CGV-VLM3D/Triplane_T2CT@ae4d78b: 24,128 train scans"
_TEXTS = f"{_TRAIN}; findings and impression"

SCANS = {"train": 24_128, "valid": 1_564}
PATIENTS = {"train": 20_000, "valid": 1_304}

POSITIVE = {
    "Medical material": (2886, 158),
    "Arterial wall calcification": (6701, 435),
    "Cardiomegaly": (2586, 164),
    "Pericardial effusion": (1702, 110),
    "Coronary artery wall calcification": (5972, 388),
    "Hiatal hernia": (3426, 218),
    "Lymphadenopathy": (6115, 398),
    "Emphysema": (4677, 305),
    "Atelectasis": (6170, 364),
    "Lung nodule": (10974, 704),
    "Lung opacity": (8846, 606),
    "Pulmonary fibrotic sequela": (6447, 427),
    "Pleural effusion": (2858, 189),
    "Mosaic attenuation pattern": (1794, 126),
    "Peribronchial thickening": (2496, 175),
    "Consolidation": (4234, 298),
    "Bronchiectasis": (2411, 169),
    "Interlobular septal thickening": (1902, 124),
}
"""Label -> scans that have it, in train and validation."""


def published_labels() -> tuple[Published, ...]:
    """Sizes and labels of all scans, train and validation together."""
    scans = sum(SCANS.values())
    return (
        Published("reports", scans, None, _PAPER),
        Published("patients", sum(PATIENTS.values()), None, _PAPER),
        Published("split/test", SCANS["valid"] / scans, None, _PAPER),
        Published("no_positive", 0.1132, None, _TRAIN),
        Published("positives/mean", 3.407, None, _TRAIN),
        *(
            Published(f"positive/{label}", sum(counts) / scans, None, _COUNTED)
            for label, counts in POSITIVE.items()
        ),
    )


def published_texts() -> tuple[Published, ...]:
    """Lengths of findings and impression together; words are those between blanks, and another
    tokenizer than MiniLM's may have counted the tokens."""
    return (
        Published("words/mean", 230, None, f"{_TEXTS}: 196 and 34"),
        Published("tokens/mean", 280, None, _TEXTS),
        Published("tokens/p50", 259, None, _TEXTS),
        Published("tokens/p95", 495, None, _TEXTS),
        Published("tokens_over/256", 0.51, None, _TEXTS),
        Published("tokens_over/512", 0.041, None, _TEXTS),
    )
