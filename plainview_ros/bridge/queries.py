"""Query strings, before a route reads them."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class EmptyParameters:
    """Takes a parameter without a value, as in ``?severity=&type=noise``, for one that is not given.

    So it is meant by the contract's paths, and by a form of which not every field was filled in.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["query_string"] = given(scope["query_string"])
        await self._app(scope, receive, send)


def given(query: bytes) -> bytes:
    """The parameters of a query string that have a value."""
    return b"&".join(parameter for parameter in query.split(b"&") if parameter.partition(b"=")[2])
