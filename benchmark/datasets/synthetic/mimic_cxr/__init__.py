"""synthetic-mimic-cxr: the twin of MIMIC-CXR."""
