"""YAML files that people write: read, checked, and their mistakes told with file, line, path and what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C reads a rig in a twentieth of the time."""

Location = Sequence[int | str]
Mistake = tuple[Location, str]


class DocumentError(ValueError):
    """A file that cannot be used; the message has a line for each mistake: file, line, path, what was expected."""


class Part(BaseModel):
    """Base of all parts of a document: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


PartT = TypeVar("PartT", bound=Part)


def load_document(
    path: str | Path,
    model: type[PartT],
    broken_references: Callable[[PartT], Iterable[Mistake]],
    error_type: type[DocumentError] = DocumentError,
) -> PartT:
    """Read and check a file.

    Args:
        model: what the file holds.
        broken_references: finds what no single part can see, in a document whose parts are all right.
        error_type: what to raise.

    Raises:
        DocumentError: with one line per mistake, ``file:line: path: what was expected``.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise error_type(f"{path}: cannot be read: {error}") from error
    loader = LOADER(text)
    try:
        tree = loader.get_single_node()
        repeated = [f"{path}:{what}" for what in _repeated_keys(tree)]
        content = None if tree is None else loader.construct_document(tree)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise error_type(f"{path}:{_syntax_error(_told_by_python(text, error))}") from error
    finally:
        loader.dispose()
    if repeated:
        raise error_type("\n".join(repeated))
    if not isinstance(content, dict):
        keys = ", ".join(list(model.model_fields)[:3])
        raise error_type(f"{path}:1: expected a mapping with {keys}, ..., found {type(content).__name__}")
    try:
        document = model.model_validate(content)
    except ValidationError as error:
        mistakes: list[Mistake] = [(item["loc"], f"{item['msg']}{_found(item)}") for item in error.errors()]
    else:
        mistakes = list(broken_references(document))
        if not mistakes:
            return document
    raise error_type("\n".join(f"{path}:{_line_of(tree, at)}: {_dotted(at)}: {what}" for at, what in mistakes))


def _told_by_python(text: str, error: Exception) -> Exception:
    """Python's loader names the line of the mistake, the one in C that where it noticed."""
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as plainer:
        return plainer
    return error


def _syntax_error(error: Exception) -> str:
    """``12: not valid YAML: expected ',' or ']', but got '<stream end>'``; without a line when it has none."""
    mark = getattr(error, "problem_mark", None)
    what = " ".join(f"not valid YAML: {getattr(error, 'problem', None) or error}".split())
    return f" {what}" if mark is None else f"{mark.line + 1}: {what}"


def _repeated_keys(node: yaml.Node | None) -> Iterator[str]:
    """``12: 'valves' is given twice``: YAML itself would silently take the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield f"{key.start_mark.line + 1}: {key.value!r} is given twice"
            seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


def _dotted(location: Location) -> str:
    """``("valves", 1, "joint")`` → ``valves[1].joint``."""
    return re.sub(r"\.\[", "[", ".".join(f"[{key}]" if isinstance(key, int) else key for key in location)) or "(file)"


def _found(item: Any) -> str:
    value = item["input"]
    return "" if item["type"] == "missing" or isinstance(value, dict | list) else f", found {value!r}"


def _line_of(tree: yaml.Node | None, location: Location) -> int:
    """Line of the deepest node on the path that the file really has."""
    node = tree
    for key in location:
        child: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            child = next((value for name, value in node.value if name.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            child = node.value[key]
        if child is None:
            break
        node = child
    return node.start_mark.line + 1 if node is not None else 1
