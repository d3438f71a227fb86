"""Figures of MIMIC-CXR that others published, as they are under a policy for uncertain and blank.

Counts of the 222,750 training studies by what CheXpert and NegBio agree on; for up to 2.6% of them
the two differ, which is neither positive nor uncertain here. So either labeller's own figures may
lie a little higher. No tolerance is given.
"""

from __future__ import annotations

import math

from radpriv.benchmark.datasets.chexpert import CHEXPERT, NO_FINDING
from radpriv.benchmark.datasets.mimic_cxr.label_policy import Policy
from radpriv.benchmark.datasets.reference_figures import Published

STUDIES = 222_750
_LABELS = "MIT-LCP/mimic-cxr: 222,750 training studies, where CheXpert and NegBio agree"
_SIZES = "PhysioNet, MIMIC-CXR-JPG 2.0.0: studies and patients of its split and label files"

COUNTED = {
    "Atelectasis": (44012, 9623, 166489),
    "Cardiomegaly": (38002, 5753, 157663),
    "Consolidation": (10199, 2913, 200271),
    "Edema": (25549, 11426, 158747),
    "Enlarged Cardiomediastinum": (6798, 9015, 201531),
    "Fracture": (3675, 295, 217042),
    "Lung Lesion": (5939, 996, 214704),
    "Lung Opacity": (49512, 2052, 165932),
    "No Finding": (74019, 0, 144906),
    "Pleural Effusion": (51680, 5184, 137737),
    "Pleural Other": (1884, 707, 219948),
    "Pneumonia": (15333, 17313, 164956),
    "Pneumothorax": (9159, 848, 170202),
    "Support Devices": (63971, 95, 153885),
}
"""Label -> studies where it is positive, uncertain, and blank."""


def published(policy: Policy) -> tuple[Published, ...]:
    """Sizes, and for each label the share that is positive and that is not observed."""
    found = [
        Published("reports", 227_827, None, _SIZES),
        Published("patients", 64_586 + 500 + 293, None, _SIZES),
        Published("split/train", 222_758 / 227_835, None, _SIZES),
        Published("split/test", 3_269 / 227_835, None, _SIZES),
    ]
    for label, uncertain, blank in zip(CHEXPERT, policy.uncertain, policy.blank):
        positive, unsure, silent = COUNTED[label]
        there = positive + (unsure if uncertain == 1.0 else 0)
        hidden = (unsure if math.isnan(uncertain) else 0) + (silent if math.isnan(blank) else 0)
        found.append(Published(f"positive/{label}", there / STUDIES, None, _LABELS))
        if label != NO_FINDING:
            found.append(Published(f"unobserved/{label}", hidden / STUDIES, None, _LABELS))
    return tuple(found)
