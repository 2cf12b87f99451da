"""``plainview db``: what it says, and that a dump brings everything back, also into the other kind of database."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from plainview_ros import cli
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.store import dump, migrate
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.models import metadata
from plainview_ros.bridge.store.rows import Row, Value
from postgres import Postgres

Contents = dict[str, list[tuple[Value, ...]]]
TEXT = 'Ventil Ö ≥ 75 °C\n"quoted" \\ \''


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'plainview.db'}"


@pytest.fixture
def postgresql(postgres: Postgres) -> str:
    return str(Environment.of({"POSTGRES_URL": postgres.new_database()}).database_url)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "BATCH_ROWS", 7)


def fill(url: str, rows: int = 20) -> None:
    with closing(Database(url)) as database:
        database.write(row(name, n) for name in metadata.tables for n in range(rows))


def row(name: str, n: int) -> Row:
    values: dict[str, Value] = {}
    for c in metadata.tables[name].columns:
        kind = c.type.python_type
        values[c.name] = f"{TEXT} {n}" if kind is str else n / 7 if kind is float else 1_790_000_000_000 + n
        if kind is int and str(c.type) == "INTEGER":
            values[c.name] = n
        if c.nullable and n % 2:
            values[c.name] = None
    return Row(name, values)


def contents(url: str) -> Contents:
    with closing(Database(url, as_it_is=True)) as database, database.transaction() as connection:
        return {
            name: sorted(tuple(found) for found in connection.execute(table.select()).all())
            for name, table in ((name, table) for name, table in metadata.tables.items())
        }


def db(*arguments: object) -> int:
    return cli.main(["db", *map(str, arguments)])


@pytest.mark.parametrize("name", ["history.jsonl", "history.jsonl.gz"])
@pytest.mark.parametrize("way", ["sqlite to postgresql", "postgresql to sqlite"])
def test_a_dump_brings_everything_into_the_other_kind_of_database(
    request: pytest.FixtureRequest, tmp_path: Path, way: str, name: str
) -> None:
    there, back = (str(request.getfixturevalue(kind)) for kind in way.split(" to "))
    fill(there)
    file = tmp_path / name
    assert db("dump", file, "--url", there) == 0
    assert db("restore", file, "--url", back) == 0
    whole = contents(there)
    assert contents(back) == whole
    assert all(len(rows) == 20 for rows in whole.values())
    assert db("restore", file, "--url", back) == 0
    assert contents(back) == whole
    assert not list(tmp_path.glob("*.part"))


def test_what_is_newer_in_the_database_stays(url: str, tmp_path: Path) -> None:
    fill(url, 3)
    file = tmp_path / "history.jsonl"
    db("dump", file, "--url", url)
    newer = row("alerts", 1).values
    newer = {**newer, "stamp_ms": 1_800_000_000_000, "status": "cleared"}
    with closing(Database(url)) as database:
        database.write([Row("alerts", newer)])
    before = contents(url)
    assert db("restore", file, "--url", url) == 0
    assert contents(url) == before


def lines_of(file: Path) -> list[str]:
    return file.read_text().splitlines(keepends=True)


@pytest.fixture
def whole(tmp_path: Path, sqlite: str) -> Path:
    """A dump."""
    fill(sqlite)
    file = tmp_path / "whole.jsonl"
    db("dump", file, "--url", sqlite)
    return file


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[str]:
    """A database that is so in the end as well."""
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    yield url
    assert not any(contents(url).values())


@pytest.mark.parametrize("missing", [1, 2, 150])
def test_a_file_that_is_cut_off_is_refused_before_anything_is_written(
    whole: Path, empty: str, missing: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole.write_text("".join(lines_of(whole)[:-missing]))
    assert db("restore", whole, "--url", empty) == 1
    assert "cut off or damaged; nothing was written" in capsys.readouterr().err


def test_a_compressed_file_that_is_cut_off_is_refused(
    whole: Path, empty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = whole.with_suffix(".gz")
    file.write_bytes(gzip.compress(whole.read_bytes())[:-20])
    assert db("restore", file, "--url", empty) == 1
    assert f"{file}: cut off or damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Ventil", "Vantil", "cut off or damaged"),
        ("plainview-history", "something-else", "not a dump of plainview"),
        (f'"{migrate.HEAD}"', '"9999"', "newer release of plainview (revision 9999)"),
        ('"table":"alerts"', '"table":"alarms"', "has alarms with"),
        ('"severity"', '"gravity"', "with gravity, which this release does not know"),
    ],
)
def test_a_file_that_is_not_as_it_was_made_is_refused(
    whole: Path, empty: str, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = whole.read_text()
    assert old in text
    whole.write_text(text.replace(old, new, 1))
    assert db("restore", whole, "--url", empty) == 1
    assert said in capsys.readouterr().err


def test_a_dump_is_what_was_there_at_one_moment(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(url)
    encode = dump._encode

    def meanwhile(value: object) -> str:
        monkeypatch.setattr(dump, "_encode", encode)
        with closing(Database(url)) as other:
            other.write(row(name, n) for name in metadata.tables for n in range(20, 25))
        return encode(value)

    monkeypatch.setattr(dump, "_encode", meanwhile)
    file = tmp_path / "history.jsonl"
    with closing(Database(url)) as database:
        counts = dump.dump(database, file)
    assert set(counts.values()) == {20}
    assert json.loads(lines_of(file)[-1])["end"] == counts
    assert all(len(rows) == 25 for rows in contents(url).values())


def test_a_database_of_an_older_release_is_dumped_as_it_is_and_restored_into_this_one(
    sqlite: str, tmp_path: Path
) -> None:
    db("upgrade", "0001", "--url", sqlite)
    with closing(Database(sqlite, as_it_is=True)) as database:
        database.write([row("events", n) for n in range(3)])
    file = tmp_path / "history.jsonl"
    assert db("dump", file, "--url", sqlite) == 0
    new = f"sqlite:///{tmp_path / 'new.db'}"
    assert db("restore", file, "--url", new) == 0
    assert len(contents(new)["events"]) == 3


def test_check_says_what_is_there_and_what_is_wrong(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert db("upgrade", "0002", "--url", url) == 0
    assert db("check", "--url", url) == 1
    assert f"not up to date: this release has revision {migrate.HEAD}" in capsys.readouterr().err
    fill(url, 3)
    assert db("check", "--url", url) == 0
    said = capsys.readouterr().out
    assert f"revision: {migrate.HEAD}\n" in said
    assert "alerts: 3\n" in said
    with closing(Database(url)) as database, database.transaction() as connection:
        connection.execute(text("DROP INDEX ix_alerts_since"))
    assert db("check", "--url", url) == 1
    assert "ix_alerts_since" in capsys.readouterr().err


def test_a_downgrade_that_deletes_something_wants_to_be_sure(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    fill(url, 1)
    before = contents(url)
    assert db("downgrade", "0002", "--url", url) == 1
    assert "--yes is needed, as this deletes what is in flow_metrics, " in capsys.readouterr().err
    assert contents(url) == before
    assert db("downgrade", "0002", "--yes", "--url", url) == 0
    assert db("current", "--url", url) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0002"


def test_the_default_is_the_database_of_the_bridge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("POSTGRES_URL", raising=False)
    monkeypatch.setenv("PLAINVIEW_STATE_DIR", str(tmp_path / "state"))
    assert db("check") == 1
    assert f"{tmp_path}/state/plainview.db: there is none" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
    assert db("upgrade") == 0
    assert (tmp_path / "state" / "plainview.db").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://plainview:secret@127.0.0.1:1/plainview", "PostgreSQL plainview on 127.0.0.1:1: "),
        ("mysql://plainview:secret@db/plainview", "--url: expected postgresql://"),
        ("postgresql://plainview:secret@db:port/plainview", "expected a URL such as"),
    ],
)
def test_a_database_that_does_not_answer_is_told_without_its_password(
    url: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert db("check", "--url", url) == 1
    told = capsys.readouterr()
    assert said in told.err
    assert "secret" not in told.out + told.err
    assert len(told.err.splitlines()) == 1
