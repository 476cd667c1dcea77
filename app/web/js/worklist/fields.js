/** What was filled in for the next slides: in sight while anything is set, and for one drop only. */

import { byId, complain, el } from "../dom.js";
import { mppOf, mppWrong } from "../format.js";
import { PRIORITIES } from "../words.js";

const ZIP_DIRECTORY_BYTES = 2 ** 18;
const form = byId("fields");
const { priority, mpp } = form.elements;
const texts = [...form.elements].filter((field) => field.type === "text");
const SAID = { case_id: (text) => `case ${text}`, mpp: (text) => `${text} µm/px` };

/** What is filled in, by the field's name. */
const filled = () => texts.filter((field) => field.value.trim()).map((field) => [field.name, field.value.trim()]);

function show() {
  const told = filled().map(([name, text]) => SAID[name]?.(text) ?? text);
  if (priority.value !== "routine") told.push(PRIORITIES[priority.value]);
  byId("next").hidden = told.length === 0;
  byId("next-said").textContent = `next slides: ${told.join(" · ")}`;
}

/** The name's box stays as it is: it says how somebody works, not what is known of a slide. */
function clear() {
  for (const field of texts) {
    field.value = "";
    field.setCustomValidity("");
  }
  priority.value = "routine";
  show();
}

export function watchFields() {
  priority.append(...Object.entries(PRIORITIES).map(([value, text]) => el("option", { value }, text)));
  form.addEventListener("input", show);
  show(); // a browser may have filled them in again
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("next-clear").addEventListener("click", () => {
    clear();
    byId("files").focus();
  });
}

/**
 * What POST /analyze is told of each of `files`: the filled-in fields, which are empty afterwards, and the file's name
 * without its extension, except for DICOM. Null where one of them is wrong, which is said there.
 */
export async function takeFields(files) {
  const wrong = mppWrong(mpp.value);
  if (wrong) {
    complain(mpp, wrong);
    return null;
  }
  const known = { ...Object.fromEntries(filled()), priority: priority.value };
  if (known.mpp) known.mpp = mppOf(known.mpp);
  const wantsNames = form.elements.named.checked;
  clear();
  return Promise.all(files.map(async (file) => {
    const named = wantsNames && !(await isDicom(file));
    return named ? { ...known, slide_id: slideId(file) } : known;
  }));
}

/**
 * Whether the slide's header names it: a file name must not contradict that. A zip is taken for DICOM unless its
 * directory, at the end of the file, lists the index of another format.
 */
async function isDicom(file) {
  if (/\.(dcm|dicom)$/i.test(file.name)) return true;
  if (!/\.zip$/i.test(file.name)) return false;
  const end = await file.slice(-ZIP_DIRECTORY_BYTES).text().catch(() => ""); // the upload says why it cannot be read
  return !/\.(mrxs|vms|vmu)/i.test(end);
}

const slideId = (file) => file.name.replace(/\.[A-Za-z0-9]{1,5}$/, "").slice(0, 200) || file.name;
