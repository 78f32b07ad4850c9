/** The two buttons that matter: stop and restore now, and apply what was confirmed. */

import { post, read } from "./api.js";
import { byId, element, reconcile, setText, show } from "./dom.js";
import { isOver } from "./steps.js";
import { fillTable } from "./table.js";

let current = null;
let shown = null; // id of the session that an open dialog is about
const asked = new Set(); // ids of sessions that this page asked to stop

/** Bring the buttons up to date with a snapshot. */
export function drawActions(snapshot) {
  current = snapshot;
  const { stop, apply, state } = snapshot;
  const stopping = stop.asked || state === "restoring" || asked.has(snapshot.id);
  const button = byId("stop");
  show(button, !isOver(state));
  button.disabled = !stop.possible || stopping;
  button.title = stop.reason;
  setText(button, stopping ? "Stopping, restoring …" : "Stop and restore now");
  const other = snapshot.id !== shown; // the page has moved on to another session
  if ((isOver(state) || other) && byId("stop-dialog").open) byId("stop-dialog").close();
  if (other && byId("apply-dialog").open) byId("apply-dialog").close();
  const offered = apply.how === "session" || apply.how === "here";
  show(byId("verdict-actions"), isOver(state) && (offered || apply.values.length > 0));
  show(byId("apply"), offered && !apply.applied);
  setText(byId("apply-why"), applyWhy(apply));
}

function applyWhy({ applied, how, reason, command }) {
  if (applied) return `In force for good already. ${reason}`;
  if (how === "command") return `${reason} To keep it, type: ${command}`;
  return reason;
}

function say(id, text, kind = "") {
  const node = byId(id);
  node.dataset.kind = kind;
  setText(node, text);
}

async function stopNow() {
  const button = byId("stop-confirm");
  button.disabled = true;
  say("stop-says", "Asking the session …");
  try {
    const { says } = await post(`/api/sessions/${shown}/stop`, {});
    asked.add(shown);
    drawActions(current);
    byId("stop-dialog").close();
    byId("main").focus();
    setText(byId("announce"), says);
  } catch (error) {
    say("stop-says", error.message, "error");
  } finally {
    button.disabled = false;
  }
}

async function openApply() {
  const { id, apply } = current;
  shown = id;
  byId("apply-word").value = "";
  byId("apply-confirm").disabled = true;
  setText(byId("apply-phrase"), apply.confirmation);
  say("apply-says", "");
  setText(byId("apply-cancel"), "Leave it as it is");
  drawValues(apply.values);
  drawList([]);
  setText(byId("apply-diff-text"), "");
  byId("apply-dialog").showModal();
  byId("apply-word").focus();
  try {
    const plan = await read(`/api/sessions/${id}/apply`);
    drawValues(plan.values);
    drawList(plan.conflicts.map((text) => `Conflict: ${text}`));
    setText(byId("apply-diff-text"), plan.diff);
  } catch (error) {
    say("apply-says", error.message, "error");
  }
  show(byId("apply-files"), byId("apply-diff-text").textContent !== "");
}

function drawValues(values) {
  const rows = values.map((value) => [value.name, value.before, value.after]);
  fillTable(byId("apply-diff"), ["parameter", "before the session", "will be"], rows, true);
}

function drawList(texts) {
  reconcile(
    byId("apply-notes"),
    texts,
    (text, index) => `${index}:${text}`,
    (text) => element("li", {}, text),
    () => {},
  );
}

async function applyNow() {
  const button = byId("apply-confirm");
  const typed = byId("apply-word").value;
  if (typed !== current.apply.confirmation) return;
  button.disabled = true;
  say("apply-says", "Asking …");
  try {
    const done = await post(`/api/sessions/${current.id}/apply`, { confirmation: typed });
    say("apply-says", done.says || `Applied. Undo it with: ${done.undo}`);
    drawList(done.notes || []);
    byId("apply-word").value = "";
    setText(byId("apply-cancel"), "Close");
  } catch (error) {
    say("apply-says", error.message, "error");
    button.disabled = false;
  }
}

/** Make the buttons and dialogs work. */
export function connectActions() {
  byId("stop").addEventListener("click", () => {
    shown = current.id;
    say("stop-says", "");
    byId("stop-dialog").showModal();
  });
  byId("stop-confirm").addEventListener("click", stopNow);
  byId("apply").addEventListener("click", openApply);
  byId("apply-word").addEventListener("input", (event) => {
    byId("apply-confirm").disabled = event.target.value !== current.apply.confirmation;
  });
  byId("apply-form").addEventListener("submit", (event) => {
    if (event.submitter?.value === "cancel") return; // closes the dialog
    event.preventDefault();
    applyNow();
  });
}
