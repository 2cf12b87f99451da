"""``plainview db``: look after the database of history, without ROS and without a bridge.

Whatever imports SQLAlchemy is imported in functions: other verbs of ``plainview`` are quicker without.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.store.errors import DatabaseError

if TYPE_CHECKING:
    from plainview_ros.bridge.store.database import Database

COUNTED = 1_000_000
"""Rows are counted as far as this; a second or so for each table."""


def upgrade(options: argparse.Namespace) -> int:
    """Make the tables, or bring them up to date; a bridge does that when it starts."""
    from plainview_ros.bridge.store import migrate

    with _opened(options, make=True) as database:
        with database.transaction() as connection:
            migrate.upgrade(connection, options.revision)
        with database.transaction() as connection:
            print(f"at revision {migrate.revision(connection) or 'none'}")
    return 0


def downgrade(options: argparse.Namespace) -> int:
    """Take migrations back, before an older release is started; end the bridges first."""
    from plainview_ros.bridge.store import migrate

    with _opened(options) as database:
        with database.transaction() as connection:
            lost = migrate.downgrade(connection, options.revision)
            if lost and not options.yes:
                raise DatabaseError(f"--yes is needed, as this deletes what is in {', '.join(lost)}; nothing was done")
        with database.transaction() as connection:
            print(f"at revision {migrate.revision(connection) or 'none'}")
    return 0


def current(options: argparse.Namespace) -> int:
    """Tell the newest migration that the database has had."""
    from plainview_ros.bridge.store import migrate

    with _opened(options) as database, database.transaction() as connection:
        print(migrate.revision(connection) or "none")
    return 0


def check(options: argparse.Namespace) -> int:
    """Tell whether the database can be reached and its tables are as they should be, and what is in them."""
    from plainview_ros.bridge.store import migrate
    from plainview_ros.bridge.store.models import metadata
    from plainview_ros.bridge.store.size import size_bytes

    with _opened(options) as database, database.transaction() as connection:
        print(f"database: {_name(_url(options))}")
        revision = migrate.revision(connection)
        print(f"revision: {revision or 'none'}")
        print(f"size: {size_bytes(connection) / 1e6:,.1f} MB")
        migrate.check_known(revision)
        if revision != migrate.HEAD:
            raise DatabaseError(
                f"not up to date: this release has revision {migrate.HEAD}; `plainview db upgrade`, or start a bridge"
            )
        if lacking := migrate.lacking(connection):
            raise DatabaseError(f"the tables are not as revision {revision} leaves them: {', '.join(lacking)}")
        for name, table in metadata.tables.items():
            print(f"{name}: {_rows(connection, table)}")
        print("ok")
    return 0


def dump(options: argparse.Namespace) -> int:
    """Write all of history to a file, as it is at this moment; bridges may go on."""
    from plainview_ros.bridge.store.dump import dump

    with _opened(options) as database:
        print(f"{options.file}: {_told(dump(database, Path(options.file)))}")
    return 0


def restore(options: argparse.Namespace) -> int:
    """Add what is in a file of `plainview db dump`, made from either kind of database; what is there stays."""
    from plainview_ros.bridge.store.dump import restore

    with _opened(options, make=True, as_it_is=False) as database:
        print(f"{options.file}: {_told(restore(database, Path(options.file)))}")
    return 0


def add_to(verbs: Any) -> None:
    """Add the verb to those of ``plainview``."""
    verb = verbs.add_parser("db", help="look after the database of history", description=__doc__.splitlines()[0])
    actions = verb.add_subparsers(required=True, metavar="ACTION")
    url = argparse.ArgumentParser(add_help=False)
    url.add_argument(
        "--url",
        default="",
        help="of the database (default: POSTGRES_URL, or else plainview.db in PLAINVIEW_STATE_DIR)",
    )
    for run in (upgrade, downgrade, current, check, dump, restore):
        summary = str(run.__doc__)
        action = actions.add_parser(run.__name__, parents=[url], help=summary.partition(";")[0], description=summary)
        action.set_defaults(run=run)
        if run is upgrade:
            action.add_argument("revision", metavar="REVISION", nargs="?", default="head", help="default: the newest")
        elif run is downgrade:
            action.add_argument("revision", metavar="REVISION", help="such as 0002; `base`: no tables at all")
            action.add_argument("--yes", action="store_true", help="also when data goes with it")
        elif run in (dump, restore):
            action.add_argument("file", metavar="FILE", help="JSON lines; compressed when it ends in .gz")


@contextmanager
def _opened(options: argparse.Namespace, *, make: bool = False, as_it_is: bool = True) -> Iterator[Database]:
    """The database.

    Args:
        make: a file that is not there.

    Raises:
        RuntimeError: what ``DatabaseError`` says, and of which database.
    """
    from plainview_ros.bridge.store.database import Database

    url = _url(options)
    try:
        if (path := _path(url)) is not None:
            if make:
                path.parent.mkdir(parents=True, exist_ok=True)
            elif not path.exists():
                raise DatabaseError(
                    "there is none; a bridge makes it when it starts, and so does `plainview db upgrade`"
                )
        with closing(Database(url, as_it_is=as_it_is)) as database:
            yield database
    except DatabaseError as error:
        raise RuntimeError(f"{_name(url)}: {error}") from error


def _url(options: argparse.Namespace) -> str:
    if options.url.startswith("sqlite:"):
        return str(options.url)
    try:
        return str(
            Environment.of({**os.environ, "POSTGRES_URL": options.url} if options.url else os.environ).database_url
        )
    except ValueError:
        if options.url:
            raise ValueError(
                "--url: expected postgresql://user:password@host:5432/database or sqlite:///FILE"
            ) from None
        raise


def _path(url: str) -> Path | None:
    """Of a SQLite file."""
    prefix = "sqlite:///"
    return Path(url.removeprefix(prefix)) if url.startswith(prefix) else None


def _name(url: str) -> str:
    """A database as people may be told of it, without user and password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    if (path := _path(url)) is not None:
        return str(path)
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        return "the database"
    port = f":{parsed.port}" if parsed.port else ""
    return f"PostgreSQL {parsed.database or ''} on {parsed.host or parsed.query.get('host', 'this machine')}{port}"


def _rows(connection: Any, table: Any) -> str:
    from sqlalchemy import func, literal, select

    found = select(literal(1)).select_from(table).limit(COUNTED + 1).subquery()
    count = connection.execute(select(func.count()).select_from(found)).scalar_one()
    return f"{count:,}" if count <= COUNTED else f"more than {COUNTED:,}"


def _told(counts: Mapping[str, int]) -> str:
    return f"{sum(counts.values()):,} rows of {len(counts)} tables"
