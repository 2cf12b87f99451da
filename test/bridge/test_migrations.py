"""The tables of each release: made once however many begin at the same time, brought up to date, taken back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from setuptools import find_packages
from sqlalchemy import Connection, inspect, text

from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.store import migrate
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.errors import DatabaseError
from plainview_ros.bridge.store.models import THINGS, audit_log, events, flow_metrics, metadata
from plainview_ros.bridge.store.rows import Row
from postgres import Postgres
from ros_graph import DEADLINE_S, REPOSITORY

REVISIONS = [script.revision for script in reversed(list(migrate.scripts().walk_revisions()))]
SINCE = {"0001": [events.name], "0002": [*THINGS, audit_log.name], "0003": [flow_metrics.name], "0004": []}
"""Tables that a migration makes and :func:`fill` fills."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database that is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'plainview.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    given = {"POSTGRES_URL": postgres.new_database(), "PLAINVIEW_STATE_DIR": str(tmp_path)}
    return str(Environment.of(given).database_url)


def row(name: str, n: int) -> Row:
    """One of any table, whatever its columns are."""
    values = {c.name: f"text {n}" if c.type.python_type is str else n for c in metadata.tables[name].columns}
    return Row(name, values)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    with closing(Database(url, as_it_is=True)) as database:
        yield database


def fill(url: str, names: list[str]) -> None:
    with opened(url) as database:
        database.write([row(name, n) for name in names for n in range(3)])


def counts(url: str) -> dict[str, int]:
    """Rows of all tables there are."""
    with opened(url) as database, database.transaction() as connection:
        names = set(inspect(connection).get_table_names()) - {"alembic_version"}
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in names}


def at(url: str) -> str | None:
    with opened(url) as database, database.transaction() as connection:
        return migrate.revision(connection)


def go(url: str, command: Callable[[Connection, str], Any], to: str) -> Any:
    with opened(url) as database, database.transaction() as connection:
        return command(connection, to)


# -- models and migrations ---------------------------------------------------------------------------------------------


def test_migrations_leave_what_the_models_say(url: str) -> None:
    with closing(Database(url)) as database, database.transaction() as connection:
        assert migrate.differences(connection) == []


def test_migrations_and_models_make_the_same_in_sqlite_to_the_letter(tmp_path: Path) -> None:
    made = []
    for name in ("migrations", "models"):
        with closing(Database(f"sqlite:///{tmp_path / name}.db", as_it_is=True)) as database:
            with database.transaction() as connection:
                migrate.upgrade(connection) if name == "migrations" else metadata.create_all(connection)
            with database.transaction() as connection:
                query = text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name <> 'alembic_version'")
                made.append(sorted(" ".join(sql.split()) for sql in connection.execute(query).scalars()))
    assert made[0] == made[1]


def test_the_newest_is_the_one_that_the_quick_look_expects() -> None:
    assert migrate.scripts().get_heads() == [migrate.HEAD]
    assert max(REVISIONS) == migrate.HEAD


def test_pip_ships_them() -> None:
    assert "plainview_ros.bridge.store.migrations.versions" in find_packages(str(REPOSITORY))


# -- up and down -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_goes_up_and_down_and_leaves_the_data_of_the_others(url: str, revision: str) -> None:
    earlier = REVISIONS[: REVISIONS.index(revision)]
    go(url, migrate.upgrade, revision)
    for past in (*earlier, revision):
        fill(url, SINCE[past])
    full = counts(url)
    assert {name for name, count in full.items() if count} == {
        name for past in (*earlier, revision) for name in SINCE[past]
    }

    lost = go(url, migrate.downgrade, earlier[-1] if earlier else "base")
    assert lost == sorted(SINCE[revision])
    assert at(url) == (earlier[-1] if earlier else None)
    left = counts(url)
    assert {name: count for name, count in left.items() if count} == {
        name: 3 for past in earlier for name in SINCE[past]
    }

    Database(url).close()
    assert at(url) == migrate.HEAD
    again = counts(url)
    assert {name: again[name] for name in left} == left
    with opened(url) as database, database.transaction() as connection:
        assert migrate.differences(connection) == []


def test_a_database_of_before_there_were_migrations_keeps_its_events(url: str) -> None:
    with opened(url) as database, database.transaction() as connection:
        migrate.upgrade(connection, "0001")
        connection.execute(text("DROP TABLE alembic_version"))  # which that release did not have
    fill(url, [events.name])
    with closing(Database(url)) as database, database.transaction() as connection:
        assert migrate.differences(connection) == []
    assert counts(url)[events.name] == 3
    assert at(url) == migrate.HEAD


def test_an_upgrade_that_fails_leaves_everything_as_it_was(url: str) -> None:
    go(url, migrate.upgrade, "0001")
    fill(url, [events.name])
    with opened(url) as database, database.transaction() as connection:
        connection.execute(text("CREATE TABLE flow_metrics_hour (id INTEGER)"))  # in the way of the last of them
    before = counts(url)
    with pytest.raises(DatabaseError, match=r"flow_metrics_hour.* already exists"):
        Database(url)
    assert (at(url), counts(url)) == ("0001", before)


def test_a_database_of_a_newer_release_is_refused_and_left_alone(url: str) -> None:
    Database(url).close()
    with opened(url) as database, database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match=f"newer release: it is at revision 9999.*up to {migrate.HEAD}"):
        Database(url)
    assert at(url) == "9999"


def test_a_revision_that_is_none_is_told(url: str) -> None:
    with pytest.raises(DatabaseError, match="cannot upgrade to 'nonsense'"):
        go(url, migrate.upgrade, "nonsense")


# -- processes ---------------------------------------------------------------------------------------------------------

OPEN = """
import sys
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.rows import Row
print("ready", flush=True)
sys.stdin.readline()
database = Database(sys.argv[1])
database.write([Row("events", dict(ms=1, number=0, source=sys.argv[2], type="x", asset="", data="{}"))])
"""

OPEN_HALFWAY = """
import sys
import sqlalchemy
from plainview_ros.bridge.store.database import Database

@sqlalchemy.event.listens_for(sqlalchemy.Engine, "after_cursor_execute")
def halfway(connection, cursor, statement, *_):
    if "CREATE TABLE flow_metrics_minute" in statement:
        print("halfway", flush=True)
        sys.stdin.readline()

Database(sys.argv[1])
"""


@contextmanager
def process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=REPOSITORY, text=True, **pipes) as running:
        try:
            yield running
        finally:
            running.kill()


def line(pipe: IO[str] | None) -> str:
    assert pipe is not None
    return pipe.readline().strip()


def test_several_processes_open_an_empty_database_at_once(url: str) -> None:
    with process(OPEN, url, "a") as a, process(OPEN, url, "b") as b, process(OPEN, url, "c") as c:
        together = [a, b, c]
        assert [line(one.stdout) for one in together] == ["ready"] * 3
        for one in together:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        for one in together:
            _, said = one.communicate(timeout=DEADLINE_S)
            assert (one.returncode, said) == (0, "")
    assert counts(url)[events.name] == 3
    assert at(url) == migrate.HEAD


def test_a_migration_that_is_killed_leaves_nothing_half_done(url: str) -> None:
    go(url, migrate.upgrade, "0001")
    fill(url, [events.name])
    before = counts(url)
    with process(OPEN_HALFWAY, url) as running:
        assert line(running.stdout) == "halfway"
        running.kill()
        assert running.wait(DEADLINE_S) == -signal.SIGKILL
    assert (at(url), counts(url)) == ("0001", before)
    Database(url).close()  # waits until the server has noticed, too
    after = counts(url)
    assert {name: after[name] for name in before} == before
    with opened(url) as database, database.transaction() as connection:
        assert migrate.differences(connection) == []
