"""synthetic-ct-rate: the twin of CT-RATE."""
