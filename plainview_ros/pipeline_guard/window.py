"""The recent past of some series, as means over bins that grow with age."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Edges = NDArray[np.int64]


def growing_edges(longest: int, first: int, growth: float) -> Edges:
    """Ages [steps] between which the bins lie: a bin is ``first`` steps or ``growth`` of its age wide."""
    edges = [0]
    while edges[-1] < longest:
        edges.append(edges[-1] + max(first, round(growth * edges[-1])))
    return np.array(edges)


class Window:
    """The last ``steps`` values of series that advance together.

    Args:
        shape: of what is pushed.
        steps: how far back bins may reach.
    """

    def __init__(self, shape: tuple[int, ...], steps: int) -> None:
        self._steps = steps
        self._sums: Array = np.zeros((*shape, 2 * steps + 1))
        self._newest = 0
        self.length = 0
        """Steps since the start, at most ``steps``."""

    def push(self, values: Sequence[Sequence[float]]) -> None:
        """Append one step."""
        if self._newest == self._sums.shape[-1] - 1:
            kept = self._sums[..., -self._steps - 1 :]
            self._sums[..., : self._steps + 1] = kept - kept[..., :1]
            self._newest = self._steps
        self._sums[..., self._newest + 1] = self._sums[..., self._newest] + values
        self._newest += 1
        self.length = min(self.length + 1, self._steps)

    def means(self, edges: Edges) -> Array:
        """Means over bins, shape (*shape, bins), the youngest first; ``edges[-1]`` is at most :attr:`length`."""
        sums = self._sums[..., self._newest - edges]
        return np.asarray((sums[..., :-1] - sums[..., 1:]) / np.diff(edges))

    def mean(self, steps: int) -> Array:
        """Mean over the last ``steps``, or over :attr:`length` if that is less."""
        steps = min(steps, self.length)
        return np.asarray((self._sums[..., self._newest] - self._sums[..., self._newest - steps]) / steps)

    def recent(self, steps: int) -> Array:
        """The last ``steps`` values, oldest first; less if there are less."""
        steps = min(steps, self.length)
        return np.diff(self._sums[..., self._newest - steps : self._newest + 1])

    def add(self, courses: Array) -> None:
        """Add to the past: ``courses`` of shape (*shape, n), the last of them to the newest value."""
        count = min(courses.shape[-1], self._newest)
        added = np.cumsum(courses[..., courses.shape[-1] - count :], axis=-1)
        self._sums[..., self._newest - count + 1 : self._newest + 1] += added
