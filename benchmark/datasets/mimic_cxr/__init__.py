"""MIMIC-CXR from PhysioNet's own files."""
