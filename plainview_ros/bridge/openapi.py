"""What the OpenAPI says beyond what FastAPI finds in the routes.

It is put together when it is first asked for: a bridge that starts has no time for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from fastapi import FastAPI
from pydantic import TypeAdapter

REFERENCE = "#/components/schemas/{model}"

Addition: TypeAlias = Callable[[dict[str, Any]], object]
"""Changes the document."""


def describe(app: FastAPI, *additions: Addition) -> None:
    """Make the additions to the application's OpenAPI."""
    plain_openapi = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            for add in additions:
                add(plain_openapi())
        return plain_openapi()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def add_schema(document: dict[str, Any], type_: Any, name: str = "") -> dict[str, Any]:
    """How a type looks when it is sent. The models in it are put beside it and referred to; with a name it is, too."""
    schema = TypeAdapter(type_).json_schema(mode="serialization", ref_template=REFERENCE)
    components = document["components"]["schemas"]
    components |= schema.pop("$defs", {})
    if not name:
        return schema
    components[name] = schema
    return {"$ref": REFERENCE.format(model=name)}
