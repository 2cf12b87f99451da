"""Single requests to a server on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from benchmark.load import LoadError

TIMEOUT_S = 60.0


def get(port: int, path: str, accept: str = "application/json") -> bytes:
    """Body of the answer. Raises :class:`LoadError` unless that is a 200, ``OSError`` when there is none."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
        return ask(connection, path, accept).read()


def ask(connection: HTTPConnection, path: str, accept: str = "application/json") -> HTTPResponse:
    """The answer, its body still to be read. Raises as :func:`get`."""
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    if answer.status != 200:
        raise LoadError(f"{path}: expected 200, found {answer.status} {answer.read()[:300]!r}")
    return answer


def post(port: int, path: str) -> int:
    """Send an empty JSON object; the status of the answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
        connection.request("POST", path, body="{}", headers={"Content-Type": "application/json"})
        return connection.getresponse().status


def health(port: int) -> dict[str, Any]:
    """What ``/health`` says."""
    found: dict[str, Any] = json.loads(get(port, "/health"))
    return found


def metrics(port: int) -> Mapping[str, float]:
    """What ``/metrics`` says: each sample by its name and labels, as they are written there."""
    lines = get(port, "/metrics", "text/plain").decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}
