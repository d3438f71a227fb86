"""Named random streams: a value depends on (key, purpose, step, name), never on generator state.

ChaCha20 keyed by HKDF-SHA256. Two different paths never share a draw, and removing one record, one
tensor or one step moves no other value.

    coins = uniforms(key, ("coin", step), size)
    noise = gaussians(key, ("noise", step, release, tensor), size)

Normals are made by inversion from 53-bit uniforms, so |z| ≤ 8.3. Floating point leaves traces that
an exact discrete mechanism would not (Mironov 2012); what that means is said with each claim.
"""

from __future__ import annotations

import hashlib
import hmac
import os

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from radpriv.benchmark.cell import canonical

Path = tuple[str | int, ...]


def derive(key: bytes, *path: str | int) -> bytes:
    """32 bytes that belong to this key and path alone (HKDF-SHA256, RFC 5869)."""
    info = b"radpriv/stream/1/" + canonical(list(path)).encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)


def named_key(key: bytes, *path: object) -> bytes:
    """HMAC-SHA256 of a canonical path: the replayable run key of a cell's axes."""
    return hmac.new(key, canonical(list(path)).encode(), hashlib.sha256).digest()


def secret_key() -> bytes:
    """32 bytes from the operating system, for one attempt of a `secret` run."""
    return os.urandom(32)


def keystream(key: bytes, path: Path, size: int) -> NDArray[np.uint64]:
    """`size` words of 64 bits: the ChaCha20 key stream from its start."""
    cipher = Cipher(algorithms.ChaCha20(derive(key, *path), bytes(16)), mode=None)
    return np.frombuffer(cipher.encryptor().update(bytes(8 * size)), dtype="<u8")


def uniforms(key: bytes, path: Path, size: int) -> NDArray[np.float64]:
    """float64 (size,) in [0, 1), multiples of 2^-53."""
    return (keystream(key, path, size) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def gaussians(key: bytes, path: Path, size: int) -> NDArray[np.float64]:
    """float64 (size,) standard normal values, by inversion at the middle of each 2^-53 cell."""
    from scipy.special import ndtri

    cell = (keystream(key, path, size) >> np.uint64(11)).astype(np.int64)
    upper = cell >= 2**52  # there the middle of a cell is no float64: mirror the lower half
    z = ndtri((np.where(upper, 2**53 - 1 - cell, cell) + 0.5) * 2.0**-53)
    return np.where(upper, -z, z)


def seed64(key: bytes, *path: str | int) -> int:
    """A 63-bit seed for a public generator (initialisation, shuffling of non-private methods)."""
    return int.from_bytes(derive(key, *path)[:8], "little") >> 1
