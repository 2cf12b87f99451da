"""What cannot be done, for whatever reason; `problems.py` makes the answer of it."""

from __future__ import annotations


class BridgeError(Exception):
    """A request that cannot be fulfilled.

    Args:
        status: HTTP status: 4xx when refused, 502 when it failed, 503 when nobody there answers, 504 when the answer
            did not come in time.
        code: short name for programs, also ``error`` of the first Plainview, e.g. ``not_found``.
        detail: one sentence for the operator that names what was wrong.
        retry_after_s: when to try again [s].
    """

    def __init__(self, status: int, code: str, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s


def not_found(kind: str, asset_id: str) -> BridgeError:
    """For an id that nothing has."""
    return BridgeError(404, "not_found", f"no {kind} has the id {asset_id[:100]!r}")
