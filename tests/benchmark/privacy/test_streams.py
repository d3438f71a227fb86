"""Streams are functions of position: nothing that is removed moves anything else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from radpriv.benchmark.privacy.streams import derive, gaussians, named_key, seed64, uniforms

KEY = b"\x01" * 32


def test_a_stream_is_the_start_of_every_longer_one_of_its_path() -> None:
    assert np.array_equal(uniforms(KEY, ("coin", 3), 10), uniforms(KEY, ("coin", 3), 1000)[:10])


@given(st.lists(st.tuples(st.sampled_from(["coin", "noise"]), st.integers(0, 9)), max_size=8))
def test_different_paths_never_share_a_key(paths: list[tuple[str, int]]) -> None:
    keys = {derive(KEY, *p) for p in paths}
    assert len(keys) == len(set(paths))


def test_a_path_is_not_the_joining_of_its_parts() -> None:
    assert derive(KEY, "a", "bc") != derive(KEY, "ab", "c")
    assert derive(KEY, "1") != derive(KEY, 1)


def test_chacha20_stream_has_its_published_first_words() -> None:
    """RFC 8439, A.1, test vector 1: key and nonce zero, counter 0."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

    cipher = Cipher(algorithms.ChaCha20(bytes(32), bytes(16)), mode=None)
    assert cipher.encryptor().update(bytes(8)).hex() == "76b8e0ada0f13d90"


def test_uniforms_are_uniform_and_inside_the_unit_interval() -> None:
    u = uniforms(KEY, ("coin", 0), 100_000)
    assert u.min() >= 0 and u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-4


def test_gaussians_are_standard_and_independent_over_steps_names() -> None:
    """Gaussians are standard normal and independent over steps and names."""
    a, b, c = (
        gaussians(KEY, path, 100_000)
        for path in (("noise", 0, "g", "w"), ("noise", 1, "g", "w"), ("noise", 0, "g", "v"))
    )
    for z in (a, b, c):
        assert stats.kstest(z, "norm").pvalue > 1e-4
        assert np.isfinite(z).all()
    for x, y in ((a, b), (a, c), (b, c)):
        assert abs(np.corrcoef(x, y)[0, 1]) < 4.5 / np.sqrt(100_000)


@pytest.mark.parametrize("change", [("x", 1), ("e", 2), ("e", 1, 0)])
def test_a_run_key_depends_on_every_axis(change: tuple[object, ...]) -> None:
    assert named_key(b"suite", "e", 1) != named_key(b"suite", *change)
    assert named_key(b"suite", "e", 1) != named_key(b"other", "e", 1)


def test_public_seeds_fit_a_torch_generator() -> None:
    assert 0 <= seed64(KEY, "public", 0, "init") < 2**63


def test_public_seed_is_eight_bytes_of_its_own_key() -> None:
    """A public seed is eight bytes of its own key without the lowest bit.

    Stored results rest on it: another definition would start every model elsewhere.
    """
    key = b"k" * 32
    for name in ("init", "batches", "a", "b", "c"):
        eight = derive(key, "public", 0, name)[:8]
        assert seed64(key, "public", 0, name) == sum(b << (8 * i) for i, b in enumerate(eight)) // 2
