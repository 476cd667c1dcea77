"""The pages and their files: static shells that hold no data, under a policy that allows this server alone.

The shells need no key: what they show is fetched afterwards, and needs one. Nothing is built, nothing comes from
outside, and nothing is inline, so that the policy can forbid everything else.
"""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.background import BackgroundTask

from app.api.reference.openapi_parts import content
from app.api.routes import prefetch
from app.api.services import ServicesDep

WEB = Path(__file__).resolve().parents[2] / "web"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
# A page and its scripts are of one release: each is asked for anew, and answered 304 while it is the same.
_ASK_AGAIN = {"Cache-Control": "no-cache"}

router = APIRouter()


def _page(name: str, then: BackgroundTask | None = None) -> FileResponse:
    return FileResponse(WEB / name, headers={"Content-Security-Policy": POLICY, **_ASK_AGAIN}, background=then)


@router.get("/", include_in_schema=False)
def worklist() -> FileResponse:
    """All jobs, and where slides are dropped."""
    return _page("worklist.html")


@router.get(
    "/jobs/{job_id}/view",
    tags=["viewer"],
    response_class=FileResponse,
    summary="The page that shows a slide",
    operation_id="view_job",
    responses=content("text/html"),
)
def slide(job_id: str, request: Request, services: ServicesDep) -> FileResponse:
    """One slide with its result. The page itself asks whether the job exists."""
    return _page("slide.html", prefetch.for_page(request, services, job_id))


@router.get("/docs", include_in_schema=False)
def docs() -> FileResponse:
    """The interactive API reference (swagger-ui draws with inline styles: the service's general policy holds)."""
    return FileResponse(WEB / "docs" / "index.html", headers=_ASK_AGAIN)


class _Files(StaticFiles):
    """Asked for anew each time."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """A file, or that it is the same."""
        response = super().file_response(*args, **kwargs)
        response.headers.update(_ASK_AGAIN)
        return response


def install_static(app: FastAPI) -> None:
    """Serve the web folder under /static."""
    app.mount("/static", _Files(directory=WEB), name="static")
