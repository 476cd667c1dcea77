"""What people take away: report, table and zip, each the same every time and from the stored result alone."""

import csv
import io
import re
import zipfile
from urllib.parse import urljoin

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.api.answers import check_problem


@pytest.fixture(scope="module")
def job(api, tissue):
    """A finished job whose request named case and slide."""
    return api.job(api.done(tissue, case_id="CASE-77", slide_id="S26-9-A1", context="Jane Doe"))


def fetch(api, path):
    answer = api.http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    return answer


def test_the_pdf_is_one_page_and_the_same_every_time(api, job):
    first, second = (fetch(api, job["links"]["report_pdf"]) for _ in range(2))
    assert first.content == second.content
    assert first.content.startswith(b"%PDF")
    assert first.content.count(b"/Type /Page\n") == 1
    assert job["id"] in first.headers["content-disposition"]


def test_the_page_says_what_the_result_says_and_nobodys_name(service, tissue):
    job = service.wait(service.submit(tissue, case_id="CASE-77", slide_id="S26-9-A1", context="Jane Doe"))
    answer = fetch(service, job["links"]["report"])
    page, result = answer.text, service.http.get(job["links"]["result"]).json()
    assert "style-src 'self'" in answer.headers["content-security-policy"]
    for said in (
        "S26-9-A1",
        "uncalibrated score",
        "Research use only. Not a diagnosis.",
        "not outline a lesion",
        "Highest scores for malignant, as the model saw them",
        result["slide"]["sha256"],
        result["model"]["manifest_sha256"],
        f"{result['predictions'][0]['probabilities']['malignant']:.3f}",
        "2 µm/px, from the file",
    ):
        assert said in page, said
    for unsaid in ("CASE-77", "Jane", tissue.name, "<script", "style="):
        assert unsaid not in page, unsaid
    for link in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert service.http.get(urljoin(f"/jobs/{job['id']}/report.html", link)).status_code == 200, link


def test_the_case_is_printed_for_those_who_ask(api, tissue):
    said = {"case_id": "CASE-78", "organ": "liver (left)", "stain": "HE, 2nd cut", "slide_id": 'S26/9 A"2'}
    job = api.job(api.done(tissue, **said, context="Jane Doe"))
    plain, asked = (fetch(api, f"{job['links']['report']}{query}") for query in ("", "?case=true"))
    for value in ("CASE-78", "liver (left)", "HE, 2nd cut"):
        assert f"<dd>{value}</dd>" in asked.text
        assert f"<dd>{value}</dd>" not in plain.text
    assert "Jane" not in asked.text
    name = f"S26-9-A-2-report-{job['finished_at'][:10]}"
    assert asked.headers["content-disposition"] == f'inline; filename="{name}.html"'
    pdf = fetch(api, f"{job['links']['report_pdf']}?case=true")
    assert pdf.headers["content-disposition"] == f'inline; filename="{name}.pdf"'
    assert pdf.content != fetch(api, job["links"]["report_pdf"]).content
    assert '<a href="report.html?case=true">' in plain.text


def test_what_a_request_says_cannot_become_part_of_the_page(service, tissue):
    job = service.wait(service.submit(tissue, slide_id="<img src=x onerror=alert(1)>", stain="<b>PAS</b>"))
    page = fetch(service, job["links"]["report"]).text
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "&lt;b&gt;PAS" in page
    assert fetch(service, job["links"]["report_pdf"]).content.startswith(b"%PDF")


def test_the_map_is_a_picture(api, job):
    picture = Image.open(io.BytesIO(fetch(api, f"/jobs/{job['id']}/report_map.jpg").content))
    assert picture.format == "JPEG"
    assert picture.width == 1000


def test_the_table_has_a_row_for_each_tile(api, job):
    text = fetch(api, job["links"]["tiles"]).text
    rows = list(csv.DictReader(io.StringIO(text)))
    with h5py.File(io.BytesIO(api.http.get(job["links"]["embeddings"]).content)) as file:
        coords, attention, sharpness = file["coords"][:], file["attention/malignancy"][0], file["sharpness"][:]
    assert [[int(row["x0_px"]), int(row["y0_px"])] for row in rows] == coords.tolist()
    assert {int(row["x1_px"]) - int(row["x0_px"]) for row in rows} == {224}
    np.testing.assert_allclose([float(row["attention"]) for row in rows], attention, rtol=1e-6)
    np.testing.assert_allclose([float(row["sharpness"] or "nan") for row in rows], sharpness, rtol=1e-3)


def test_the_zip_holds_everything_and_is_the_same_every_time(api, job):
    first, second = (fetch(api, job["links"]["results"]).content for _ in range(2))
    assert first == second
    folder = api.data_dir / "jobs" / job["id"] / "attempt-1"
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        files = {f"{job['id']}/{path.name}": path.read_bytes() for path in folder.iterdir()}
        assert set(names) == files.keys() | {f"{job['id']}/tiles.csv", f"{job['id']}/report.pdf"}
        assert names[0] == f"{job['id']}/result.json"
        assert all(archive.read(name) == content for name, content in files.items())
        assert archive.read(f"{job['id']}/report.pdf") == api.http.get(job["links"]["report_pdf"]).content
        assert archive.read(f"{job['id']}/tiles.csv") == api.http.get(job["links"]["tiles"]).content
        packed = {info.filename.rpartition(".")[2]: info.compress_type for info in archive.infolist()}
    assert packed == {
        **dict.fromkeys(("png", "jpg", "h5", "pdf"), zipfile.ZIP_STORED),
        **dict.fromkeys(("json", "geojson", "csv"), zipfile.ZIP_DEFLATED),
    }


def test_a_job_without_a_result_has_no_report(api, slide_root):
    job_id = api.submit(slide_root / "blank.svs")
    api.find_no_tissue(job_id)
    for name in ("report.pdf", "report.html", "tiles.csv", "results.zip"):
        check_problem(api.http.get(f"/jobs/{job_id}/{name}"), 409, "result_not_ready")
