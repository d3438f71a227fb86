"""Noise and coins drawn again by other code, and compared with what a run really used.

    found = noise_fault(key, recording, ledger)      # "" if each release carries its own noise
    found = coin_fault(key, draws, universe)         # "" if each step took the units of its coins

A plug-in can replace what the waist draws with, or the ledger line that says how much it drew. What
stands here was written apart from privacy/streams.py: ChaCha20 (RFC 8439) over arrays, the key by
HMAC (RFC 5869), normals by inversion. It is bound when radpriv is imported, before a plug-in is.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from radpriv.benchmark.cell import canonical
from radpriv.benchmark.conformance.recording import RecordedRelease
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.privacy.bounded import sha256_of
from radpriv.benchmark.store.ledger_schema import Release

ROUNDING = 1e-12
"""Relative to noise and value: of one addition and one product in float64."""

_CONSTANTS = np.frombuffer(b"expand 32-byte k", "<u4")
_COLUMNS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
_DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
_hmac, _canonical, _ndtri, _sha256_of = hmac.new, canonical, ndtri, sha256_of


def noise_fault(key: bytes, recording: Sequence[RecordedRelease], ledger: Sequence[Release]) -> str:
    """What is wrong with a recorded release or its ledger line, "" if nothing is.

    noised − exact = σ · sensitivity · stream in every coordinate, and the line on the ledger says
    this σ, this sensitivity and this rate of exactly these numbers.
    """
    if len(recording) != len(ledger):
        return f"{len(recording)} releases made, {len(ledger)} in the ledger"
    for made, line in zip(recording, ledger):
        said = (line.step, line.name, line.rate, line.sensitivity, line.noise_multiplier)
        place = made.place
        true = (place.step, place.name, place.rate, made.sensitivity, made.noise_multiplier)
        if said != true or line.sha256 != _sha256_of(made.noised.tensors):
            return f"the ledger's line on {made} is not of what was released"
        for name, tensor in made.value.items():
            exact = tensor.cpu().numpy().reshape(-1)
            noised = made.noised.tensors[name].cpu().numpy().reshape(-1)
            scale = made.noise_multiplier * made.sensitivity
            noise = scale * normals(key, ("noise", place.step, place.name, name), len(exact))
            most = ROUNDING * (np.abs(noise) + np.abs(exact) + scale)
            if not (np.abs(noised - exact - noise) <= most).all():
                return f"tensor {name} of {made} does not carry the noise of its stream"
    return ""


def coin_fault(
    key: bytes, draws: Mapping[int, tuple[float, NDArray[np.int64]]], universe: Universe
) -> str:
    """The first step that took other records than its coins say, "" if none did.

    draws: step -> (rate, slots that it handed out).
    """
    for step, (rate, slots) in sorted(draws.items()):
        heads = uniform(key, ("coin", step), universe.units) < rate
        due = np.flatnonzero(heads[universe.unit] & universe.member & ~universe.gradient)
        if not np.array_equal(np.sort(slots), due):
            return f"step {step} took {len(slots)} records that are not those of its coins"
    return ""


def uniform(key: bytes, path: Sequence[str | int], size: int) -> NDArray[np.float64]:
    """float64 (size,) in [0, 1)."""
    return (_words(key, path, size) >> np.uint64(11)).astype(np.float64) / 2.0**53


def normals(key: bytes, path: Sequence[str | int], size: int) -> NDArray[np.float64]:
    """float64 (size,), standard normal."""
    cell = (_words(key, path, size) >> np.uint64(11)).astype(np.float64)
    low = np.minimum(cell, 2.0**53 - 1 - cell)
    z = np.asarray(_ndtri((low + 0.5) / 2.0**53), np.float64)
    return np.where(cell >= 2.0**52, -z, z)


def _words(key: bytes, path: Sequence[str | int], size: int) -> NDArray[np.uint64]:
    """The first `size` words of 64 bits of the stream of this path."""
    blocks = -(-size // 8)
    state = np.zeros((16, blocks), np.uint32)
    state[:4] = _CONSTANTS[:, None]
    state[4:12] = np.frombuffer(_stream_key(key, path), "<u4")[:, None]
    state[12] = np.arange(blocks)
    x = state.copy()
    for _ in range(10):
        for a, b, c, d in (*_COLUMNS, *_DIAGONALS):
            for one, two, three, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                x[one] += x[two]
                mixed = x[three] ^ x[one]
                x[three] = (mixed << np.uint32(turn)) | (mixed >> np.uint32(32 - turn))
    x += state
    return np.frombuffer(np.ascontiguousarray(x.T).astype("<u4").tobytes(), "<u8")[:size]


def _stream_key(key: bytes, path: Sequence[str | int]) -> bytes:
    """HKDF-SHA256 of 32 bytes, without salt."""
    info = b"radpriv/stream/1/" + _canonical(list(path)).encode()
    secret = _hmac(bytes(32), key, hashlib.sha256).digest()
    return _hmac(secret, info + b"\x01", hashlib.sha256).digest()
