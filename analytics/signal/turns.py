"""Turning rates -> how far the sensor has turned since the beginning, for all samples at once.

A rotation is a unit quaternion w + x i + y j + z k, kept as the pair of complex numbers
(w + x i, y + z i): a product of two of them takes eight operations on whole arrays.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_RADIX: Final = 8
"""Rotations multiplied one after the other in each of many lanes before the lanes are joined."""

Complexes = NDArray[np.complex64]
"""Single precision: after a million products the direction is still known to 0.01 degrees."""


def turned(rate: NDArray[np.float64], dt_s: float) -> NDArray[np.float64]:
    """(3, 3, n) rotation matrices from the axes of each sample to those of the first.

    rate: (3, n) rad/s in the sensor's axes; between two samples the mean of both holds.
    """
    half = np.zeros_like(rate)
    np.add(rate[:, 1:], rate[:, :-1], out=half[:, 1:])
    half *= 0.25 * dt_s
    size = np.einsum("ij,ij->j", half, half)
    # series of cos and sin(x) / x: exact to 1e-7 for a quarter turn within one sample
    whole = 1.0 - size * (0.5 - size * (1.0 / 24.0 - size / 720.0))
    x, y, z = half * (1.0 - size * (1.0 / 6.0 - size * (1.0 / 120.0 - size / 5040.0)))
    a, b = np.empty(len(size), np.complex64), np.empty(len(size), np.complex64)
    a.real, a.imag, b.real, b.imag = whole, x, y, z
    a, b = _running_product(a, b)
    return _matrices(*(part.astype(float) for part in (a.real, a.imag, b.real, b.imag)))


def _running_product(a: Complexes, b: Complexes) -> tuple[Complexes, Complexes]:
    """(n,) products of the first, the first two, the first three ... rotations."""
    n = len(a)
    if n <= 1:
        return a, b
    lanes = -(-n // _RADIX)
    pad = lanes * _RADIX - n
    a = np.pad(a, (0, pad), constant_values=1.0).reshape(lanes, _RADIX).T.copy()
    b = np.pad(b, (0, pad)).reshape(lanes, _RADIX).T.copy()
    for i in range(1, _RADIX):
        a[i], b[i] = _product(a[i - 1], b[i - 1], a[i], b[i])
    before_a, before_b = np.ones(lanes, a.dtype), np.zeros(lanes, a.dtype)
    before_a[1:], before_b[1:] = _running_product(a[-1, :-1], b[-1, :-1])
    a, b = _product(before_a, before_b, a, b)
    return a.T.reshape(-1)[:n], b.T.reshape(-1)[:n]


def _product(
    a: Complexes,
    b: Complexes,
    c: Complexes,
    d: Complexes,
) -> tuple[Complexes, Complexes]:
    return a * c - b * d.conj(), a * d + b * c.conj()


def _matrices(
    w: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    z: NDArray[np.float64],
) -> NDArray[np.float64]:
    out = np.empty((3, 3, len(w)))
    x2, y2, z2 = 2.0 * x, 2.0 * y, 2.0 * z
    xx, yy, zz = x * x2, y * y2, z * z2
    out[0, 0], out[1, 1], out[2, 2] = 1.0 - yy - zz, 1.0 - xx - zz, 1.0 - xx - yy
    for i, j, product, along in ((0, 1, x * y2, w * z2), (2, 0, x * z2, w * y2)):
        out[i, j], out[j, i] = product - along, product + along
    product, along = y * z2, w * x2
    out[1, 2], out[2, 1] = product - along, product + along
    return out
