"""What an operator says about the reference of a flow line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

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

    def memory(self) -> dict[str, Any]:
        """What :meth:`recalled` takes, as JSON can hold it."""
        return {"action": self.action, "by": self.by, "at_s": self.at_s}

    @classmethod
    def recalled(cls, memory: Any) -> Word | None:
        """Raises ``ValueError`` when it is no memory of a word."""
        if memory is None:
            return None
        try:
            action, by, at_s = memory["action"], str(memory["by"]), float(memory["at_s"])
        except (TypeError, KeyError):
            raise ValueError(f"{memory!r} is no word of an operator") from None
        if action not in get_args(BaselineAction):
            raise ValueError(f"{action!r} is nothing an operator can do")
        return cls(action, by, at_s)


def acknowledgement(action: BaselineAction, by: str, note: str) -> str:
    """Why an anomaly that is open ends with an operator's action, as a sentence."""
    who = f"by {by}" if by else "by an operator"
    said = f" ({note.rstrip('.')})" if note else ""
    if action == "learn":
        return f"Acknowledged as normal {who}{said}: learnt anew from now on."
    return f"Reset {who}{said}: learning starts afresh."
