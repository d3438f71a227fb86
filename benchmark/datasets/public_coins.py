"""Public coins: a number in [0, 1) that belongs to a name, the same on every machine."""

from __future__ import annotations

import hashlib


def hashed(name: str) -> float:
    """A public number in [0, 1) that belongs to `name`: the first 53 bits of its SHA-256."""
    return (int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 11) * 2.0**-53
