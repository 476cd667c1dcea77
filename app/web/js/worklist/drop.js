/** Files dropped anywhere on the page, or chosen. */

import { byId } from "../dom.js";

/** Folders come among the files, and cannot be read as such: [files, folders]. Only while a drop is handled. */
function sorted(transfer) {
  const isFolder = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry()?.isDirectory ?? false);
  const files = [...transfer.files];
  return [files.filter((_, index) => !isFolder[index]), files.filter((_, index) => isFolder[index])];
}

/** Call `take(files, folders)` for what each drop or choice brings. */
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
    take(...sorted(event.dataTransfer));
  });
  byId("files").addEventListener("change", (event) => {
    take([...event.target.files], []);
    event.target.value = "";
  });
}
