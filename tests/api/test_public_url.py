"""The service behind a proxy that puts a prefix before all its addresses."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import urljoin

import httpx
import pytest
from starlette.requests import Request

from app.access.keys import KeyStore
from app.api.routes.session import cookie_place
from app.settings import Settings
from tests.api.answers import check_problem
from tests.prefix_proxy import PrefixProxy
from tests.service import Service
from tests.tissue import tissue_slide

TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Fronted:
    """A service with keys, and the proxy in front of it. ``http`` asks the proxy and keeps cookies."""

    service: Service
    proxy: PrefixProxy
    http: httpx.Client
    key: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    folder = tmp_path_factory.mktemp("public")
    proxy = PrefixProxy("/department/xmag")
    key = KeyStore(folder / "data").create("lab", "lab", ("submit", "read", "erase"))
    service = Service(folder / "data", public_url=f"{proxy.public_url}/", trusted_proxies="127.0.0.1").start()
    proxy.upstream_port = int(service.url.rpartition(":")[2])
    with httpx.Client(base_url=proxy.public_url, timeout=60) as http:
        yield Fronted(service, proxy, http, key)
    assert service.stop() == 0
    proxy.stop()


@pytest.fixture(scope="module")
def job(fronted, tmp_path_factory) -> dict:
    """A finished job, sent through the proxy."""
    slide = tissue_slide(tmp_path_factory.mktemp("slides") / "s.svs")
    with slide.open("rb") as file:
        answer = fronted.http.post("/analyze", files={"slide": file}, headers=fronted.bearer)
    assert answer.headers["location"] == f"{fronted.proxy.public_url}/jobs/{answer.json()['id']}"
    fronted.service.http.headers.update(fronted.bearer)
    fronted.service.wait(answer.json()["id"])
    return fronted.http.get(answer.headers["location"], headers=fronted.bearer).json()


def test_every_link_is_whole_and_opens_through_the_proxy(fronted, job):
    layers = fronted.http.get(job["links"]["layers"], headers=fronted.bearer).json()
    links = [*job["links"].values(), *(layer["url"] for layer in layers)]
    assert len(links) > 15
    for link in links:
        assert link.startswith(f"{fronted.proxy.public_url}/jobs/{job['id']}"), link
        assert httpx.get(link, headers=fronted.bearer).status_code == 200, link
    listed = fronted.http.get("/jobs", headers=fronted.bearer).json()["jobs"]
    assert [one["links"] for one in listed] == [job["links"]]
    direct = fronted.service.http.get(f"/jobs/{job['id']}").json()  # by whatever name it is asked
    assert direct["links"] == job["links"]


def test_events_come_through_with_the_same_links(fronted, job):
    with fronted.http.stream("GET", job["links"]["events"], headers=fronted.bearer) as stream:
        data = next(line for line in stream.iter_lines() if line.startswith("data:"))
    assert json.loads(data.removeprefix("data:")) == job


def test_an_upload_in_pieces_goes_where_it_is_told(fronted):
    headers = {**TUS, **fronted.bearer, "Upload-Length": "4"}
    place = fronted.http.post("/uploads/", headers=headers).headers["location"]
    assert place.startswith(f"{fronted.proxy.public_url}/uploads/")
    piece = {**TUS, **fronted.bearer, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert httpx.patch(place, content=b"abcd", headers=piece).headers["upload-offset"] == "4"
    assert httpx.delete(place, headers={**TUS, **fronted.bearer}).status_code == 204


@pytest.mark.parametrize("path", ["/docs/", "/jobs/?limit=1", "/v2/models/", "/static/../docs/"])
def test_a_redirect_stays_below_the_prefix(fronted, path):
    answer = fronted.http.get(path, headers=fronted.bearer)
    assert answer.status_code == 307
    where = urljoin(str(answer.request.url), answer.headers["location"])
    assert where.startswith(f"{fronted.proxy.public_url}/")
    found = httpx.get(where, headers=fronted.bearer)
    assert found.status_code == 200 and str(found.request.url).endswith(path.strip("/").replace("/?", "?")[-4:])


def test_a_redirect_cannot_lead_elsewhere(fronted):
    for path in ("//evil.example/", "//evil.example/docs/", "/http:evil.example/"):
        answer = fronted.service.http.build_request("GET", fronted.service.url + path)
        found = fronted.service.http.send(answer)
        if found.status_code == 307:
            assert found.headers["location"].startswith(("./", "../"))


def test_the_report_names_its_pictures_by_where_it_lies_and_its_links_whole(fronted, job):
    address = job["links"]["report"]
    text = httpx.get(address, headers=fronted.bearer).text
    sources = re.findall(r'src="([^"]+)"|<link rel="stylesheet" href="([^"]+)"', text)
    for source in (one or other for one, other in sources):
        assert httpx.get(urljoin(address, source), headers=fronted.bearer).status_code == 200, source
    assert len(sources) > 3
    anchors = re.findall(r'<a href="([^"]+)"', text)
    assert anchors and all(link.startswith(f"{fronted.proxy.public_url}/jobs/{job['id']}/") for link in anchors)


def test_the_reference_names_the_public_address(fronted):
    document = fronted.http.get("/openapi.json").json()
    assert document["servers"] == [{"url": fronted.proxy.public_url}]


def test_a_session_is_of_the_prefix_alone_and_its_pages_are_own(fronted):
    host = fronted.proxy.public_url.removesuffix(fronted.proxy.prefix)
    with httpx.Client(base_url=fronted.proxy.public_url) as browser:
        answer = browser.post("/session", json={"key": fronted.key}, headers={"Origin": host})
        assert answer.status_code == 204
        assert "Path=/department/xmag;" in answer.headers["set-cookie"] + ";"
        csrf = {"X-CSRF-Token": browser.get("/session").json()["csrf"]}
        unknown = "/jobs/01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11/cancel"
        check_problem(browser.post(unknown, headers={**csrf, "Origin": host}), 404, "job_not_found")
        for foreign in ("http://127.0.0.1:1", "http://evil.example", host.replace("http", "https")):
            check_problem(browser.post(unknown, headers={**csrf, "Origin": foreign}), 403, "forbidden")
        fronted.proxy.keeps_host = False  # as nginx does where it is not told otherwise
        check_problem(browser.post(unknown, headers={**csrf, "Origin": host}), 404, "job_not_found")
        fronted.proxy.keeps_host = True
        ended = browser.delete("/session", headers=csrf)
        assert ended.status_code == 204 and len(browser.cookies) == 0


def test_by_another_name_a_session_is_of_the_whole_host(fronted):
    answer = httpx.post(f"{fronted.service.url}/session", json={"key": fronted.key})
    assert "Path=/;" in answer.headers["set-cookie"] + ";"


@pytest.mark.parametrize("host", ["hospital.example", "HOSPITAL.example", "hospital.example:443"])
def test_a_proxy_that_names_the_usual_port_asks_by_the_public_address(host):
    services = SimpleNamespace(settings=SimpleNamespace(public_url="https://hospital.example/xmag"))
    scope = {"type": "http", "scheme": "http", "path": "/session", "query_string": b"", "server": ("10.0.0.1", 8000)}

    def where(name):
        return cookie_place(Request({**scope, "headers": [(b"host", name.encode())]}), services)

    assert where(host) == ("/xmag", True)
    assert where(f"{host.partition(':')[0]}:8443") == where("evil.example") == where("[") == ("/", False)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("https://slides.hospital.example", "https://slides.hospital.example"),
        ("https://slides.hospital.example/", "https://slides.hospital.example"),
        ("https://host:8443/xmag/", "https://host:8443/xmag"),
        ("http://[::1]:8000/a/b", "http://[::1]:8000/a/b"),
    ],
)
def test_the_address_is_kept_without_its_last_slash(given, kept):
    assert Settings(public_url=given).public_url == kept


@pytest.mark.parametrize(
    "wrong",
    ["host", "ftp://host", "https://", "https://host?x=1", "https://host/#a", "https://u@host", "https://host/a//b",
     "https://host/a b", 'https://host/"x', "https://host/../x", "https://host:port", "https://host:99999",
     "https://host:0", "https://:443"],
)  # fmt: skip
def test_what_is_no_address_is_refused(wrong):
    with pytest.raises(ValueError, match="public_url"):
        Settings(public_url=wrong)
