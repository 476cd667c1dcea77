/** Failures in words: what happened, and what to do next. One line for each code of docs/api.md. */

const LATER = "Try again in a few minutes; if the problem stays, tell your administrator.";
const OPERATOR = "Tell your administrator the job's ID. The server's log has the details.";
const RESCAN = "Open the slide in the scanner's own viewer. If it fails there too, copy it again or scan it again.";
const EXPORT = "Export it again as SVS or DICOM, or scan it again.";

export const WORDS = {
  archive_invalid: ["The zip cannot be read", "Zip the slide's files again, with nothing else in it."],
  archive_unsafe: ["The zip is not accepted", "Zip the slide's own files only: no links, no other folders."],
  attempts_exhausted: ["Every attempt at the analysis failed", OPERATOR],
  bad_request: ["The request was not valid", LATER],
  callback_not_allowed: ["The callback's host is not allowed", "Ask your administrator to add it."],
  cancelled: ["Cancelled", "Run it again if you need the result."],
  deadline_exceeded: ["The analysis took longer than allowed", OPERATOR],
  decoder_crashed: ["The file crashed the slide reader", RESCAN],
  decoder_timeout: ["Reading the file took too long", RESCAN],
  disk_low: ["The server's disk is full", "Ask your administrator to free space, then try again."],
  draining: ["The server is restarting", "Try again in a minute."],
  empty_upload: ["The file is empty", "Copy it again from the scanner and send that copy."],
  file_unreadable: ["The file cannot be read on this computer", "Check that it is still there, then try again."],
  folder: ["This is a folder", "Pack it as a .zip, and drop that."],
  forbidden: ["That is not allowed with this key", "Log in with a key that has this permission, or ask for one."],
  identity_conflict: ["The slide's header names another case or slide", "Check that this is the right slide, and the case number."],
  idempotency_key_reused: ["The same request key was used for another slide", "Send it again with another key."],
  identity_unavailable: ["The login service does not answer", LATER],
  inference_failed: ["The model gave no usable answer", OPERATOR],
  internal_error: ["Something went wrong on our side", OPERATOR],
  job_erased: ["This job was erased", "Upload the slide again if you need it."],
  job_not_found: ["There is no such job", "Check the address, or go back to the worklist."],
  manifest_invalid: ["The model is not installed properly", OPERATOR],
  method_not_allowed: ["The server does not do that", "Reload the page: it may be older than the server."],
  model_file_changed: ["The model's files are damaged", OPERATOR],
  model_not_found: ["There is no such model", "Choose one that this server has."],
  model_unusable: ["The model cannot be used", OPERATOR],
  mpp_implausible: ["The file's resolution is implausible", "Enter the true resolution in µm/px; see the scanner's settings."],
  mpp_missing: ["The file does not state its resolution", "Enter it in µm/px; see the scanner's settings (40x is about 0.25)."],
  no_model: ["The server has no usable model", "Tell your administrator: the models folder is empty or wrong."],
  no_tissue: ["No tissue was found", "Look at the slide: is it empty, very pale, or out of focus? Then scan it again."],
  not_a_slide: ["This is not a slide that can be read", "Send the scanner's own file; several files together as one .zip."],
  digest_mismatch: ["The slide changed during the upload", "Send it again."],
  not_found: ["There is no such page", "Go back to the worklist."],
  object_not_allowed: ["That object is not open to this server", "Check its address, or ask your administrator to add its bucket."],
  path_not_allowed: ["That folder is not open to this server", "Ask your administrator to add it."],
  provider_unavailable: ["The graphics processor cannot be used", OPERATOR],
  queue_full: ["Too many slides are waiting", "Try again in a few minutes."],
  queue_unavailable: ["The queue does not answer", LATER],
  record_unreadable: ["The job's record is damaged", OPERATOR],
  request_invalid: ["A field is not accepted", "Correct it and send the slide again."],
  resolution_too_low: ["The scan resolution is too low", "Scan the slide at a higher magnification."],
  result_not_ready: ["There is no result yet", "Wait until the job is done."],
  setup_invalid: ["The server is not set up properly", OPERATOR],
  slide_corrupt: ["The file is damaged", RESCAN],
  slide_missing: ["The slide was not found", "Check that it is still there."],
  slide_too_costly: ["The slide takes too long to read", RESCAN],
  slide_too_many_files: ["The folder holds more than one slide", "Put the slide into a folder of its own."],
  slide_unsafe: ["The slide refers to files outside its folder", "Send the files as the scanner wrote them."],
  slide_unsupported: ["This kind of slide is not supported", "Convert it as the message says, then send it again."],
  slide_unusable: ["The slide cannot be analysed as it is", EXPORT],
  source_changed: ["The file changed while it was waiting", "Wait until the scanner has written it, then send it again."],
  storage_unavailable: ["The slide's storage does not answer", LATER],
  task_not_found: ["The model has no such task", "Choose one that it has."],
  too_large: ["The file is larger than this server accepts", "Ask your administrator to raise the limit, or export fewer layers."],
  too_many_failures: ["Too many wrong keys from this computer", "Wait a minute, then log in again."],
  unauthenticated: ["A key is needed", "Log in with a key of this service."],
  upload_broken: ["The upload was interrupted", "Drop the file again. The upload resumes where it stopped."],
  upload_incomplete: ["The upload is not complete", "Drop the file again. The upload resumes where it stopped."],
  upload_not_found: ["The upload was erased or never existed", "Drop the file again."],
  upload_stalled: ["The connection stopped sending", "Drop the file again. The upload resumes where it stopped."],
  layer_not_found: ["This result has no such layer", "Reload the page: it may show another result."],
  slide_gone: ["The slide is not kept here", "The result is still here. Upload the slide again to view it."],
  tus_version: ["The upload speaks another version than the server", "Reload the page."],
  upload_busy: ["The same upload is still being written", "Try again in a minute."],
  upload_offset: ["The upload lost its place", "Drop the file again. The upload resumes where it stopped."],
  upload_type: ["The upload was not understood", "Reload the page: it may be older than the server."],
  viewer_busy: ["Too many slides are being viewed right now", "Try again in a moment. The result is already here."],
  unreachable: ["The server does not answer", "Check the network. Uploaded data is kept, and the page reconnects by itself."],
};

/** {title, next} of a code; an unknown code keeps the server's own sentence. */
export function explain(code) {
  const [title, next] = WORDS[code] ?? ["It did not work", ""];
  return { title, next };
}

/** What a person should see of a finished slide before opening it, by the warning's code. */
export const WARNINGS = {
  bag_size_out_of_range: "less certain",
  dark_area: "dark areas",
  identity_differs: "another case or slide",
  mpp_differs: "resolution differs",
  organ_out_of_domain: "other organ",
  out_of_focus: "out of focus",
  part_left_out: "part left out",
  pen_ink: "ink",
  stain_not_he: "not H&E",
  stain_out_of_domain: "other stain",
  tiles_below_tissue_min: "little tissue",
};

/** Of a result with a head that is not validated, in the worklist. */
export const NOT_VALIDATED = "not validated";

/** What a worker is doing, by the stage it reports. */
export const STAGES = {
  fetch: "fetching the slide",
  open: "opening the slide",
  survey: "looking for tissue",
  tiles: "analysing tissue",
  aggregate: "weighing the tiles",
  write: "writing the result",
};

export const STATES = {
  uploading: "Uploading",
  queued: "Waiting",
  running: "Running",
  succeeded: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};

/** How soon: the words of the API (FHIR). */
export const PRIORITIES = {
  routine: "Routine",
  urgent: "Urgent",
  asap: "ASAP",
  stat: "STAT",
};
