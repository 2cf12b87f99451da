"""Wall 1 where import-linter does not see: generated modules, which are not in the source tree, and lazy imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ros_graph import REPOSITORY

SOURCES = REPOSITORY / "plainview_ros"
GENERATED = ("plainview_ros.msg", "plainview_ros.srv", "plainview_ros.action")

PLAIN = [
    path
    for path in sorted(SOURCES.rglob("*.py"))
    if not (path.name == "node.py" and path.parents[1] == SOURCES) and SOURCES / "ros" not in path.parents
]


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Full names of what is imported: ``from a import b`` is ``a.b``."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: str(path.relative_to(SOURCES)))
def test_generated_messages_stay_in_nodes_and_ros(path: Path) -> None:
    names = imported(ast.walk(tree(path)))
    assert not [name for name in names if f"{name}.".startswith(tuple(f"{module}." for module in GENERATED))]


def test_the_command_line_imports_ros_only_where_it_needs_it() -> None:
    at_start = imported(tree(SOURCES / "cli.py").body)
    assert not [name for name in at_start if name.startswith("plainview_ros.ros") or ".node" in name]


def test_the_database_is_imported_only_when_the_server_listens() -> None:
    script = """
import sys
import plainview_ros.bridge.node, plainview_ros.cli
print(*{"sqlalchemy", "alembic", "psycopg2"} & set(sys.modules))
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
