"""The 14 observations of the CheXpert labeller, in its order: one list for every dataset.

Irvin et al. (2019), CheXpert: A Large Chest Radiograph Dataset with Uncertainty Labels and Expert
Comparison, table 1. MIMIC-CXR's files name them, its twin writes them, and the codes of Open-i are
mapped to them, so that a model of one dataset can be tested on another by name.
"""

NO_FINDING = "No Finding"
CHEXPERT = (
    NO_FINDING,
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
