"""Figures of F1 and of leakage."""
