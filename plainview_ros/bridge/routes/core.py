"""What the API is and how it is."""

from __future__ import annotations

from fastapi import APIRouter

from plainview_ros import __version__

router = APIRouter(tags=["Core"])


@router.get("/")
async def about() -> dict[str, str]:
    return {"name": "Plainview API", "version": __version__, "service": "core"}
