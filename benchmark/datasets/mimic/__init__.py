"""MIMIC-CXR from PhysioNet's own files; importing this registers the dataset "mimic-cxr"."""

from radpriv.benchmark.datasets.mimic.loader import MimicCXR

__all__ = ["MimicCXR"]
