"""How large the database is."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, func, select


def size_bytes(connection: Connection) -> int:
    """Of all its tables and indexes; of SQLite the file, and the log of changes that are not in it yet."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(select(func.pg_database_size(func.current_database()))).scalar_one())
    path = connection.exec_driver_sql("PRAGMA database_list").first()
    files = (Path(path.file), Path(f"{path.file}-wal")) if path is not None else ()
    return sum(file.stat().st_size for file in files if file.exists())
