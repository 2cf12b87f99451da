"""Every error as a problem document (RFC 9457) that clients of the first Plainview understand too."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ValidationException, WebSocketRequestValidationError
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.openapi import REFERENCE, add_schema
from plainview_ros.bridge.schemas.core import ProblemDocument

MEDIA_TYPE = "application/problem+json"
MAX_BODY_BYTES = 1_000_000

CODES = {413: "body_too_large"}
"""Short names of what the framework refuses, where they are not those of HTTP."""

BAD_BODY = {400: "the body cannot be read", 413: "the body is too large"}


def document(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """``ok`` and ``error`` are what the first Plainview answered; the rest is RFC 9457."""
    title = HTTPStatus(status).phrase
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "ok": False,
        "error": code,
        **more,
    }


def answer(problem: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(problem, problem["status"], headers, media_type=MEDIA_TYPE)


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's ``responses=``: the errors it answers besides invalid requests."""
    reference = {"$ref": REFERENCE.format(model=ProblemDocument.__name__)}
    return {status: {"content": {MEDIA_TYPE: {"schema": reference}}} for status in sorted({*statuses, 422})}


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.add_middleware(BodyLimit)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        code = CODES.get(error.status_code, phrase.lower().replace(" ", "_"))
        if error.status_code == 405:
            error.headers = {"Allow": _allowed(error)}
        return answer(document(error.status_code, code, _why(request, error)), dict(error.headers or {}))

    @app.exception_handler(WebSocketRequestValidationError)
    @app.exception_handler(RequestValidationError)
    async def bad_request(request: HTTPConnection, error: ValidationException) -> JSONResponse:
        fields = [{"field": _field(item), "message": _message(item, request)} for item in error.errors()]
        detail = "; ".join(f"{item['field']}: {item['message']}" for item in fields[:5])
        return answer(document(422, "invalid_request", detail, errors=fields[:50]))

    @app.exception_handler(BridgeError)
    async def bridge_error(_request: HTTPConnection, error: BridgeError) -> JSONResponse:
        headers = None if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
        return answer(document(error.status, error.code, error.detail), headers)

    @app.exception_handler(Exception)
    async def defect(request: Request, _error: Exception) -> JSONResponse:
        """The server logs the traceback; what is inside is nobody's business outside."""
        detail = f"{request.method} {request.url.path[:200]} failed, see the bridge's log"
        return answer(document(500, "internal_error", detail))


def declare(openapi: dict[str, Any]) -> None:
    """Say what a problem looks like, and what can be wrong with any body."""
    add_schema(openapi, ProblemDocument, ProblemDocument.__name__)
    for operation in (operation for operations in openapi["paths"].values() for operation in operations.values()):
        responses = operation["responses"]
        if "requestBody" in operation:
            responses |= {str(status): {**responses["422"], "description": why} for status, why in BAD_BODY.items()}


def _why(request: Request, error: HTTPException) -> str:
    """What was wrong with a request that the framework refuses in its own few words."""
    path = request.url.path[:100]
    if error.status_code == 404:
        return f"there is nothing at {path!r}"
    if error.status_code == 405:
        return f"{path!r} has no {request.method[:20]}, it has {_allowed(error)}"
    if isinstance(error.__cause__, UnicodeDecodeError):
        return f"body: not in UTF-8, see byte {error.__cause__.start}"
    if isinstance(error.__cause__, RecursionError):
        return "body: nested too deeply"
    return f"body: {error.__cause__}" if error.__cause__ else error.detail


def _allowed(error: HTTPException) -> str:
    """Methods of a path; HEAD is there with GET, see `answers.py`."""
    methods = {name.strip() for name in (error.headers or {}).get("Allow", "").split(",")} - {""}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def _field(item: dict[str, Any]) -> str:
    where, *names = item["loc"]
    return str(where) if item["type"] == "json_invalid" else ".".join(map(str, names)) or str(where)


def _message(item: dict[str, Any], request: HTTPConnection) -> str:
    """What was expected; of invalid JSON also where and why."""
    if item["type"] == "json_invalid":
        return f"not valid JSON at character {item['loc'][-1]}: {item['ctx']['error']}"
    if item["loc"] == ("body",) and isinstance(item["input"], bytes):
        sent = request.headers.get("content-type", "none")[:100]
        return f"expected JSON with Content-Type: application/json, found {sent}"
    if item["type"] == "model_attributes_type":
        return "expected a JSON object"
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    return str(item["msg"])


class BodyLimit:
    """Refuses request bodies above ``MAX_BODY_BYTES`` before they are in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
            await answer(self._document())(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BODY_BYTES:
                raise HTTPException(413, self._document()["detail"])  # the one that FastAPI lets through
            return message

        await self._app(scope, counted, send)

    def _document(self) -> dict[str, Any]:
        return document(413, "body_too_large", f"a request body may have at most {MAX_BODY_BYTES} bytes")
