"""Data cards, counts, and figures that others published."""
