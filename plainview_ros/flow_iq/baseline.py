"""What an operator says about the reference of a flow line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BaselineAction = Literal["learn", "freeze", "resume", "reset"]
BaselineState = Literal["learning", "following", "frozen"]


class UnknownLineError(ValueError):
    """The rig has no such flow line."""


class StillLearningError(ValueError):
    """There is no reference yet that could be frozen."""


@dataclass(frozen=True, slots=True)
class Word:
    """The last one an operator has had about a line's reference."""

    action: BaselineAction
    by: str
    at_s: float


def acknowledgement(action: BaselineAction, by: str, note: str) -> str:
    """Why an anomaly that is open ends with an operator's action, as a sentence."""
    who = f"by {by}" if by else "by an operator"
    said = f" ({note.rstrip('.')})" if note else ""
    if action == "learn":
        return f"Acknowledged as normal {who}{said}: learnt anew from now on."
    return f"Reset {who}{said}: learning starts afresh."
