"""What a person does and sees, in the words that the browser's tests share."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from tests.service import ROOT, until

AXE = (ROOT / "tests" / "web" / "vendor" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
SECONDS = 1000
DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name));
  for (const type of ["dragenter", "dragover", "drop"])
    document.getElementById("drop").dispatchEvent(
      new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


def drop(page, name: str, data: bytes) -> None:
    page.evaluate(DROP, [name, base64.b64encode(data).decode()])


def drop_paths(page, paths: list[Path]) -> None:
    """From the disk, as a file manager does it: folders too."""
    box = page.locator("#drop").bounding_box()
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    browser = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 9, "y": box["y"] + 9, "data": data})


def open_worklist(page) -> None:
    page.goto("/")
    until(lambda: page.locator("#count").inner_text() != "" or page.locator("#empty").is_visible(), 20)


def open_slide(page, job_id: str) -> None:
    page.goto(f"/jobs/{job_id}/view")
    page.wait_for_selector("[data-drawn*='heatmap.png']")
    until(lambda: page.evaluate("performance.getEntriesByName('first-tile').length === 1"), 20)
    page.wait_for_timeout(600)


def picture(page) -> np.ndarray:
    image = Image.open(io.BytesIO(page.locator(".stage").screenshot())).convert("RGB")
    return np.asarray(image, dtype=np.int16)


def with_and_without_map(page) -> tuple[np.ndarray, np.ndarray]:
    """The slide with the map that lies over it, and once it is taken off."""
    with_map = picture(page)
    page.keyboard.press("o")
    until(lambda: page.locator("[data-drawn*=heatmap]").count() == 0)
    page.wait_for_timeout(300)
    return with_map, picture(page)


def block_means(pixels: np.ndarray) -> np.ndarray:
    height, width = (side // 8 * 8 for side in pixels.shape[:2])
    return pixels[:height, :width].reshape(height // 8, 8, width // 8, 8, 3).mean(axis=(1, 3))


def row(page, name: str):
    return page.locator("#rows tr", has_text=name)


def serious(page) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    return [
        f"{v['id']}: {v['nodes'][0]['html']}" for v in found["violations"] if v["impact"] in {"serious", "critical"}
    ]
