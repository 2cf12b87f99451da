"""How the residuals of a sound section vary: what the errors of its transmitters make of them.

A transmitter's error is taken as the sum of white noise and of slow wanderings (Ornstein-Uhlenbeck processes), each
with a standard deviation and a correlation time. The line model is linear in small errors, so the covariance of the
residuals follows from that of the errors and the model's response to a reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainview_ros.pipeline_guard.line_model import CHANNELS, Channel, reading_responses

Array = NDArray[np.float64]


class Wandering(NamedTuple):
    std_m3s: float
    time_s: float
    """After which its correlation has fallen to 1/e."""


@dataclass(frozen=True)
class ReadingNoise:
    """Error of one channel; pressures divided by the impedance."""

    white_m3s: float
    """Standard deviation of the mean over one step."""
    wanderings: tuple[Wandering, ...] = ()


@dataclass(frozen=True)
class Noise:
    """Of a section's four readings, and of the line itself."""

    readings: Mapping[Channel, ReadingNoise]
    arrivals: tuple[Wandering, ...] = field(default=())
    """Small disturbances inside the section, seen at each end for itself."""


def residual_covariances(noise: Noise, reaches: int, slope: float, step_s: float, steps: int) -> Array:
    """Covariances of the two residuals at all lags.

    Args:
        noise: errors of the readings.
        reaches, slope: see :func:`~plainview_ros.pipeline_guard.line_model.reading_responses`.
        step_s: of the grid.
        steps: largest lag.

    Returns:
        Shape (2, 2, 2 steps + 1): covariance of residual ``a`` at ``t + lag`` and ``b`` at ``t``, lags from ``-steps``
        [m^6/s^2].
    """
    settled = 8 * reaches
    size = 1 << (2 * steps + 2 * settled).bit_length()
    lag_s = np.minimum(np.arange(size), size - np.arange(size)) * step_s
    responses = reading_responses(reaches, slope, settled)
    impulses = np.fft.rfft(np.diff(responses, axis=2, prepend=0.0), size, axis=2)
    spectrum = np.zeros((2, 2, size // 2 + 1), complex)
    for channel, impulse in zip(CHANNELS, impulses, strict=True):
        reading = noise.readings[channel]
        density = reading.white_m3s**2 + _density(reading.wanderings, lag_s)
        spectrum += impulse[:, None] * impulse[None, :].conj() * density
    for end in range(2):
        spectrum[end, end] += _density(noise.arrivals, lag_s)
    covariances = np.fft.irfft(spectrum, size, axis=2)
    return np.concatenate([covariances[:, :, -steps:], covariances[:, :, : steps + 1]], axis=2)


def _density(wanderings: Sequence[Wandering], lag_s: Array) -> Array:
    """Spectrum of their sum."""
    covariance = sum((item.std_m3s**2 * np.exp(-lag_s / item.time_s) for item in wanderings), np.zeros_like(lag_s))
    return np.asarray(np.fft.rfft(covariance).real)


def bin_covariance(covariances: Array, edges: NDArray[np.int64]) -> Array:
    """Covariance of the residuals' means over bins.

    Args:
        covariances: of :func:`residual_covariances`, of at least ``edges[-1]`` lags.
        edges: ages [steps] between which the bins lie, from 0 up.

    Returns:
        Shape (2 bins, 2 bins): those of the inlet first.
    """
    lags = (covariances.shape[2] - 1) // 2
    twice = np.cumsum(np.cumsum(covariances, axis=2), axis=2)
    begin, end = -edges[1:], -edges[:-1]

    def summed(first: NDArray[np.int64], second: NDArray[np.int64]) -> Array:
        lag = first[:, None] - second[None, :] - 1 + lags
        return np.where(lag >= 0, twice[:, :, np.maximum(lag, 0)], 0.0)

    total = summed(end, begin) - summed(begin, begin) - summed(end, end) + summed(begin, end)
    width = np.diff(edges)
    means = total / (width[:, None] * width[None, :])
    result = np.block([[means[0, 0], means[0, 1]], [means[1, 0], means[1, 1]]])
    return np.asarray((result + result.T) / 2)
