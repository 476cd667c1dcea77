"""The interactive API reference from vendored files: nothing is fetched from outside."""

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

WEB = Path(__file__).resolve().parent.parent / "web"
router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs() -> FileResponse:
    """The page."""
    return FileResponse(WEB / "docs" / "index.html")


@router.get("/")
def root() -> RedirectResponse:
    """There are no pages yet: go to the reference."""
    return RedirectResponse("/docs")


def install_static(app: FastAPI) -> None:
    """Serve the web folder."""
    app.mount("/web", StaticFiles(directory=WEB), name="web")
