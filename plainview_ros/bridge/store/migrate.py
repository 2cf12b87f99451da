"""The tables, brought from one release to the next by the Alembic migrations in ``migrations/``.

All of it belongs to the thread of the database, and happens in a transaction that the caller has under way: both
databases undo the making of tables with the rest, so a migration that is killed leaves nothing.

Alembic is imported only when there is something to do: finding that there is not takes one query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, inspect, select, text

from plainview_ros.bridge.store.errors import DatabaseError
from plainview_ros.bridge.store.models import metadata

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

HEAD = "0004"
"""The newest migration; what ``models.py`` says is what it leaves."""

FOLDER = Path(__file__).parent / "migrations"

PATIENCE_S = 30
"""How long another may keep us from changing tables: one that is changing them, or who reads one for long."""

SCHEMA_LOCK = 0x706C6169
"""Advisory lock of PostgreSQL: of two bridges that find an empty database, one waits until the other is through."""

ONE_THREAD = Lock()
"""Alembic keeps what is under way in its modules, for one thread at a time."""


def revision(connection: Connection) -> str | None:
    """The newest migration that the database has had; ``None``: no migration yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def is_known(found: str | None) -> bool:
    """Whether a revision is of this release or an older one."""
    return found in (None, HEAD) or found in {script.revision for script in scripts().walk_revisions()}


def check_known(found: str | None) -> None:
    """Raise ``DatabaseError`` when the database's revision is of a newer release."""
    if not is_known(found):
        raise DatabaseError(
            f"the database is of a newer release: it is at revision {found}, this release knows those up to {HEAD};"
            f" start that release, or take the database back with its `plainview db downgrade {HEAD}`"
        )


def upgrade(connection: Connection, to: str = "head") -> None:
    """Make what is missing, at the beginning of a transaction; nothing when another was faster.

    Raises:
        DatabaseError: there is no way there, another keeps the tables for too long, or they are of a newer release.
    """
    with _alone(connection):
        check_known(revision(connection))
        _run(connection, "upgrade", to)


def downgrade(connection: Connection, to: str) -> list[str]:
    """Take the newest migrations back, at the beginning of a transaction.

    Returns:
        The tables, or columns, that had something in them and are gone if the transaction succeeds.

    Raises:
        DatabaseError: as :func:`upgrade`.
    """
    with _alone(connection):
        check_known(revision(connection))
        before = _filled(connection)
        _run(connection, "downgrade", to)
        left = _columns(connection)
    lost = sorted(before.keys() - left.keys())
    for table in sorted(before.keys() & left.keys()):
        lost += (f"{table}.{column}" for column in sorted(before[table] - left[table]))
    return lost


def lacking(connection: Connection) -> list[str]:
    """Where the tables fall short of ``models.py``; what they have beyond it, say an index, is none of our business."""
    return [_named(difference) for difference in differences(connection) if not _is_extra(difference)]


def differences(connection: Connection) -> list[tuple[Any, ...]]:
    """Between the tables and ``models.py``, as Alembic tells them."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    found: list[tuple[Any, ...]] = []
    with ONE_THREAD:
        for difference in compare_metadata(MigrationContext.configure(connection), metadata):
            found += difference if isinstance(difference, list) else [difference]
    return found


def _run(connection: Connection, command: str, to: str) -> None:
    import alembic.command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    with ONE_THREAD:
        try:
            getattr(alembic.command, command)(config, to)
        except CommandError as error:
            raise DatabaseError(f"cannot {command} to {to!r}: {error}") from error


def scripts() -> ScriptDirectory:
    """The migrations there are."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(FOLDER))


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Nobody else changes tables until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE_S}s'"))
        connection.execute(select(func.pg_advisory_xact_lock(SCHEMA_LOCK)))
        yield
        return
    before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {PATIENCE_S * 1000}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none before it makes a table
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {before}")


def _columns(connection: Connection) -> Mapping[str, set[str]]:
    inspector = inspect(connection)
    names = set(inspector.get_table_names()) - {"alembic_version"}
    return {name: {column["name"] for column in inspector.get_columns(name)} for name in names}


def _filled(connection: Connection) -> Mapping[str, set[str]]:
    """Columns of the tables that have rows."""
    quote = connection.dialect.identifier_preparer.quote
    return {
        name: columns
        for name, columns in _columns(connection).items()
        if connection.execute(text(f"SELECT 1 FROM {quote(name)} LIMIT 1")).first()  # noqa: S608  # names of tables
    }


def _is_extra(difference: tuple[Any, ...]) -> bool:
    kind = str(difference[0])
    return kind.startswith("remove_") or "comment" in kind


def _named(difference: tuple[Any, ...]) -> str:
    kind, *about = difference
    names = [part if isinstance(part, str) else getattr(part, "name", None) for part in about]
    return " ".join([kind.replace("_", " "), *filter(None, names)])
