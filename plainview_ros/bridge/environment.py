"""Where this bridge keeps things and what it is connected to: the environment variables of the HTTP contract."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from plainview_ros.share import state_dir


@dataclass(frozen=True)
class Environment:
    """Nothing of it: everything is in memory and ends with the process."""

    state_dir: Path | None = None
    """Folder of the files that outlive the process."""
    database_url: str | None = None
    """Where history is kept, as SQLAlchemy writes it; ``None``: nowhere."""
    redis_url: str | None = None
    """Where several bridges agree on the order of events; ``None``: there is only this one."""

    @classmethod
    def of(cls, variables: Mapping[str, str] = os.environ) -> Environment:
        """As ``PLAINVIEW_STATE_DIR``, ``POSTGRES_URL`` and ``REDIS_URL`` say.

        Without the first it is ``plainview`` in the XDG state directory; without the second a SQLite file in there.

        Raises:
            ValueError: one of them cannot be meant so; its value is not quoted, it may have a password in it.
        """
        folder = state_dir(variables)
        return cls(
            folder,
            _postgres(variables.get("POSTGRES_URL", "").strip()) or f"sqlite:///{folder / 'plainview.db'}",
            variables.get("REDIS_URL", "").strip() or None,
        )


def _postgres(url: str) -> str:
    """``postgres://`` and ``postgresql://`` as SQLAlchemy names the driver."""
    scheme, separator, rest = url.partition("://")
    if url and not (separator and scheme in ("postgres", "postgresql", "postgresql+psycopg2")):
        raise ValueError("environment POSTGRES_URL: expected postgresql://user:password@host:5432/database")
    return f"postgresql+psycopg2://{rest}" if url else ""
