/** Where the session stands: its steps, how far the present one is, and how long at most. */

import { byId, element, reconcile, setAttributes, setText } from "./dom.js";
import { clock, counted, measured, percent, settingText } from "./format.js";

const ENDS = ["done", "interrupted", "failed"];
const STEPS = [
  ["prepare", "Prepare", ""],
  ["aa", "A/A", "A/A"],
  ["search", "Search", "search"],
  ["screening", "Screen", "screening"],
  ["confirm", "Confirm", "confirmation"],
  ["minimise", "Minimise", "minimising"],
  ["explain", "Explain", ""],
];
const END_NAMES = { done: "Done", interrupted: "Interrupted", failed: "Failed" };

let left = null; // { seconds, since } of a real session that runs

/** Whether a session in this state is over. */
export function isOver(state) {
  return ENDS.includes(state);
}

/** Show steps, the run that ended last, and the time left. */
export function drawSteps(snapshot) {
  const { state } = snapshot;
  const current = STEPS.findIndex(([name]) => name === state);
  const runs = new Map();
  for (const run of snapshot.runs) runs.set(run.phase, (runs.get(run.phase) || 0) + 1);
  const reached = current < 0 ? STEPS.length : current;
  const steps = STEPS.map(([name, title, planned], index) => ({
    name,
    title,
    state: stateOf(name, index, reached, state, runs),
    detail: detailOf(name, index === current, planned, runs, snapshot),
  }));
  const last = state === "restoring" ? "Restoring" : END_NAMES[state] || "Done";
  const ended = isOver(state) ? "done" : "ahead";
  steps.push({
    name: "end",
    title: last,
    state: state === "restoring" ? "current" : ended,
    detail: isOver(state) && snapshot.finished ? `after ${clock(snapshot.finished - snapshot.started)}` : "",
  });
  reconcile(byId("steps"), steps, (step) => step.name, create, update);
  const counting = !snapshot.simulated && snapshot.remaining_seconds != null;
  left = counting ? { seconds: snapshot.remaining_seconds, since: performance.now() } : null;
  drawNow(snapshot);
}

function stateOf(name, index, reached, state, runs) {
  if (index === reached) return "current";
  if (index > reached) return "ahead";
  const measured = ["aa", "search", "screening", "confirm", "minimise"].includes(name);
  const untouched = measured ? !runs.get(name) : name === "explain" && state !== "done";
  return untouched ? "skipped" : "done";
}

function detailOf(name, isCurrent, planned, runs, snapshot) {
  const count = (runs.get(name) || 0) + (name === "search" ? runs.get("sentinel") || 0 : 0);
  if (isCurrent && snapshot.phase) {
    const { done, runs: total } = snapshot.phase;
    if (total) return `${done} of ${counted(total, "run")}`;
    return done ? counted(done, "run") : "now";
  }
  if (count) return counted(count, "run");
  const phase = snapshot.plan.find((one) => one.name === planned);
  return phase && !isOver(snapshot.state) ? `${clock(phase.seconds)} planned` : "";
}

function create() {
  const detail = element("span", { class: "step-detail" });
  return element("li", {}, element("span", { class: "step-title" }), detail);
}

const SAID = { done: "done", skipped: "not reached", current: "now", ahead: "to come" };

function update(node, step) {
  setAttributes(node, { "data-state": step.state, "aria-current": step.state === "current" ? "step" : null });
  setText(node.firstElementChild, step.title);
  const skipped = step.state === "skipped";
  setText(node.lastElementChild, skipped ? "not reached" : step.detail || SAID[step.state]);
}

function drawNow(snapshot) {
  const now = byId("now");
  if (isOver(snapshot.state)) {
    setText(now, "");
    now.hidden = true;
    return;
  }
  now.hidden = false;
  reconcile(
    now,
    ["title", "left", "last", "set"],
    (part) => part,
    (part) => element("span", { class: part === "set" ? "mono" : "" }),
    (node, part) => setText(node, nowPart(part, snapshot)),
  );
}

function nowPart(part, snapshot) {
  const last = snapshot.runs.at(-1);
  if (part === "title") return `${capital(snapshot.state_title)}. `;
  if (part === "left") return timeLeft(snapshot);
  if (!last) return part === "last" ? "No run has finished yet." : "";
  if (part === "set") return last.baseline ? "" : ` ${settingText(last.setting)}`;
  const what = last.baseline ? "baseline" : "trial";
  if (last.failure) return `Last run: ${what}, failed: ${last.failure}`;
  const beside = last.ratio == null ? "" : `, ${percent(last.ratio)}`;
  const cut = last.cut_short ? ", cut short" : "";
  return `Last run: ${what}, ${measured(last.value, snapshot.benchmark.unit)}${beside}${cut}.`;
}

function timeLeft(snapshot) {
  if (snapshot.remaining_seconds == null) return "";
  const seconds = left ? left.seconds - (performance.now() - left.since) / 1000 : snapshot.remaining_seconds;
  return `At most ${clock(seconds)} left${snapshot.simulated ? " (simulated time)" : ""}. `;
}

/** Count the time left down; nothing else on the page changes. */
export function tick(snapshot) {
  if (left) setText(byId("now").children[1], timeLeft(snapshot));
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
