/** Files dropped or chosen, and what was filled in for them. */

import { byId, complain } from "../dom.js";
import { mppOf } from "../format.js";

/** What POST /analyze is told of a file: the filled-in fields, and the file's name without its ending. */
export function fieldsFor(file) {
  const form = new FormData(byId("fields"));
  const fields = {};
  for (const name of ["case_id", "priority", "stain", "organ"]) {
    const value = form.get(name).trim();
    if (value) fields[name] = value;
  }
  const mpp = mppOf(form.get("mpp"));
  if (Number.isNaN(mpp)) complain(byId("fields").elements.mpp, "A number of µm/px, such as 0.25.");
  if (mpp !== null) fields.mpp = mpp;
  if (form.get("named")) fields.slide_id = file.name.replace(/\.[A-Za-z0-9]{1,5}$/, "").slice(0, 200) || file.name;
  return fields;
}

/** Call `take(file)` for every file that is dropped anywhere on the page, or chosen. */
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
    [...event.dataTransfer.files].forEach(take);
  });
  byId("files").addEventListener("change", (event) => {
    [...event.target.files].forEach(take);
    event.target.value = "";
  });
}
