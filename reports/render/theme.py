"""Colours of figures, in the light and in the dark.

Okabe and Ito's, safe for colour-blind readers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours of one theme; `page` is the background, "none" to take the page's."""

    name: str
    page: str
    ink: str
    faint: str
    grid: str
    lines: tuple[str, ...]


LIGHT = Theme(
    "light",
    "white",
    "#1d2433",
    "#5a6475",
    "#e3e7ee",
    ("#0072B2", "#D55E00", "#008060", "#A6508A", "#8A6D00", "#2F8FC4"),
)
DARK = Theme(
    "dark",
    "none",
    "#e6eaf2",
    "#a3adbf",
    "#333c4d",
    ("#56B4E9", "#FF9A4D", "#2FCFA0", "#E79CC8", "#F0E442", "#9AD0F5"),
)
