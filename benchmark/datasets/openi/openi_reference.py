"""Figures of Open-i as counted over its 3,927 reports with text, copies included.

They stand beside what the loader gives, and are not the same thing: the loader collapses copies of
one text and leaves out 95 reports that nobody coded, so 3,095 rows carry nearly all of the positive
codes and every share but No Finding's is higher (normal reports are the ones that are copied). No
tolerance is given for that reason.
"""

from __future__ import annotations

from radpriv.benchmark.datasets.reference_figures import Published

REPORTS = 3927
_WHERE = f"{REPORTS:,} reports of NLMCXR_reports.tgz with text, copies included"
_CODES = f"major MeSH codes mapped to CheXpert's names, {_WHERE}"
_CUES = f"cue as a substring, {_WHERE}"
_TEXTS = f"findings and impression, {_WHERE}"

POSITIVE = {
    "No Finding": 1363,
    "Enlarged Cardiomediastinum": 27,
    "Cardiomegaly": 395,
    "Lung Opacity": 794,
    "Lung Lesion": 130,
    "Edema": 101,
    "Consolidation": 30,
    "Pneumonia": 42,
    "Atelectasis": 332,
    "Pneumothorax": 27,
    "Pleural Effusion": 163,
    "Pleural Other": 47,
    "Fracture": 84,
    "Support Devices": 310,
}
"""Label -> reports that have it. For Lung Opacity and Pleural Other two codes were read otherwise
than in openi_labels.csv, which gives 782 and 58."""

PHI = (
    ("Lung Opacity", "Atelectasis", 0.408),
    ("Cardiomegaly", "Edema", 0.352),
    ("Consolidation", "Pneumonia", 0.304),
    ("Lung Opacity", "Pleural Effusion", 0.235),
    ("Atelectasis", "Pleural Effusion", 0.198),
    ("Edema", "Pleural Effusion", 0.192),
    ("Lung Opacity", "Pneumonia", 0.182),
    ("Lung Opacity", "Consolidation", 0.174),
    ("Lung Opacity", "Edema", 0.155),
    ("Cardiomegaly", "Pleural Effusion", 0.151),
    ("Cardiomegaly", "Lung Opacity", 0.144),
    ("Pneumothorax", "Pleural Effusion", 0.137),
    ("Pleural Effusion", "Pleural Other", 0.13),
    ("Cardiomegaly", "Support Devices", 0.128),
    ("Consolidation", "Pleural Effusion", 0.128),
    ("Lung Opacity", "Support Devices", 0.121),
    ("Pleural Effusion", "Support Devices", 0.119),
    ("Lung Opacity", "Pleural Other", 0.114),
    ("Cardiomegaly", "Atelectasis", 0.099),
    ("Pneumothorax", "Fracture", 0.094),
    ("Atelectasis", "Pneumothorax", 0.085),
    ("Lung Opacity", "Lung Lesion", 0.084),
    ("Pneumonia", "Pleural Effusion", 0.078),
    ("Consolidation", "Atelectasis", 0.068),
    ("Atelectasis", "Pleural Other", 0.068),
    ("Enlarged Cardiomediastinum", "Cardiomegaly", 0.064),
    ("Atelectasis", "Support Devices", 0.064),
    ("Edema", "Consolidation", 0.06),
    ("Pneumothorax", "Support Devices", 0.056),
    ("Edema", "Support Devices", 0.054),
    ("Edema", "Atelectasis", 0.049),
    ("Enlarged Cardiomediastinum", "Edema", 0.045),
    ("Lung Lesion", "Pleural Other", 0.045),
    ("Lung Opacity", "Pneumothorax", 0.043),
    ("Cardiomegaly", "Pleural Other", 0.041),
    ("Pneumonia", "Atelectasis", 0.04),
    ("Cardiomegaly", "Consolidation", 0.039),
    ("Consolidation", "Support Devices", 0.039),
    ("Fracture", "Support Devices", 0.029),
    ("Consolidation", "Fracture", 0.027),
    ("Edema", "Pleural Other", 0.026),
    ("Pneumonia", "Support Devices", 0.025),
    ("Pleural Effusion", "Fracture", 0.022),
    ("Enlarged Cardiomediastinum", "Atelectasis", 0.019),
    ("Pneumothorax", "Pleural Other", 0.019),
    ("Pleural Other", "Fracture", 0.016),
    ("Enlarged Cardiomediastinum", "Pleural Effusion", 0.014),
    ("Lung Lesion", "Support Devices", 0.014),
    ("Atelectasis", "Fracture", 0.012),
    ("Pneumonia", "Pleural Other", 0.011),
    ("Pleural Other", "Support Devices", 0.011),
    ("Enlarged Cardiomediastinum", "Support Devices", 0.01),
    ("Cardiomegaly", "Fracture", 0.009),
    ("Lung Opacity", "Fracture", 0.009),
    ("Lung Lesion", "Pneumonia", 0.008),
    ("Lung Lesion", "Pleural Effusion", 0.004),
    ("Lung Lesion", "Fracture", 0.002),
    ("Enlarged Cardiomediastinum", "Consolidation", -0.007),
    ("Enlarged Cardiomediastinum", "Pneumothorax", -0.007),
    ("Consolidation", "Pneumothorax", -0.007),
    ("Enlarged Cardiomediastinum", "Pneumonia", -0.009),
    ("Enlarged Cardiomediastinum", "Pleural Other", -0.009),
    ("Pneumonia", "Pneumothorax", -0.009),
    ("Consolidation", "Pleural Other", -0.01),
    ("Enlarged Cardiomediastinum", "Lung Opacity", -0.011),
    ("Enlarged Cardiomediastinum", "Fracture", -0.012),
    ("Lung Lesion", "Edema", -0.012),
    ("Edema", "Fracture", -0.013),
    ("Edema", "Pneumothorax", -0.014),
    ("Enlarged Cardiomediastinum", "Lung Lesion", -0.015),
    ("Lung Lesion", "Atelectasis", -0.015),
    ("Lung Lesion", "Pneumothorax", -0.015),
    ("Pneumonia", "Fracture", -0.015),
    ("Lung Lesion", "Consolidation", -0.016),
    ("Edema", "Pneumonia", -0.017),
    ("Cardiomegaly", "Pneumothorax", -0.018),
    ("Cardiomegaly", "Lung Lesion", -0.019),
    ("Cardiomegaly", "Pneumonia", -0.027),
)

CUES = {
    "no": 91.8,
    "without": 14.74,
    "negative for": 4.15,
    "free of": 3.34,
    "no evidence of": 10.21,
    "not": 3.67,
    "unremarkable": 15.18,
    "within normal limits": 35.42,
    "normal": 88.34,
    "clear": 45.51,
    "may": 5.4,
    "possible": 0.89,
    "possibly": 1.12,
    "probable": 0.99,
    "probably": 0.46,
    "likely": 0.0,
    "suggest": 5.19,
    "cannot be excluded": 0.2,
    "could represent": 0.61,
    "may represent": 2.39,
    "suspicious": 3.08,
    "versus": 1.99,
    "questionable": 0.31,
    "consistent with": 3.26,
    "stable": 16.42,
    "unchanged": 4.99,
    "recommend": 2.22,
    "comparison": 2.37,
    "prior": 6.47,
}
"""Cue -> percent of the reports. Substrings: "normal" counts "abnormal" too, and "not" "cannot"."""

LENGTHS = {
    "words/mean": 38,
    "sentences/mean": 5.8,
    "words_per_sentence/mean": 6.6,
    "tokens/mean": 69,
    "tokens/p5": 28,
    "tokens/p50": 63,
    "tokens/p95": 132,
    "tokens/p99": 179,
    "tokens_over/128": 0.058,
    "negated_sentences": 0.383,
    "hedged_sentences": 0.043,
}


def published_labels() -> tuple[Published, ...]:
    shares = (
        Published(f"positive/{label}", count / REPORTS, None, _CODES)
        for label, count in POSITIVE.items()
    )
    pairs = (Published(f"phi/{one}/{two}", phi, None, _CODES) for one, two, phi in PHI)
    return (*shares, *pairs)


def published_texts() -> tuple[Published, ...]:
    lengths = (Published(name, value, None, _TEXTS) for name, value in LENGTHS.items())
    cues = (Published(f"cue/{cue}", percent / 100, None, _CUES) for cue, percent in CUES.items())
    return (*lengths, *cues)
