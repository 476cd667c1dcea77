/** Files dropped anywhere on the page, or chosen. */

import { byId } from "../dom.js";

/** Call `take(files)` for the files of each drop or choice. */
export function acceptDrops(take) {
  const zone = byId("drop");
  let depth = 0;
  const isFiles = (event) => event.dataTransfer?.types.includes("Files") && !zone.hidden;
  addEventListener("dragenter", (event) => {
    if (!isFiles(event)) return;
    depth += 1;
    zone.classList.add("over");
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) zone.classList.remove("over");
  });
  addEventListener("dragover", (event) => {
    if (isFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    depth = 0;
    zone.classList.remove("over");
    take([...event.dataTransfer.files]);
  });
  byId("files").addEventListener("change", (event) => {
    take([...event.target.files]);
    event.target.value = "";
  });
}
