/** The list of sessions, each with its curve in small. */

import { byId, element, reconcile, setAttributes, setText, shape, show } from "./dom.js";
import { counted, dateAndTime, interval } from "./format.js";

const WIDTH = 64;
const HEIGHT = 18;

/** Show the sessions, newest first, and mark the one on this page. */
export function drawSessions(sessions, currentId) {
  show(byId("sessions-says"), !sessions.length);
  const refresh = (node, session) => update(node, session, currentId);
  reconcile(byId("sessions"), sessions, (session) => session.id, create, refresh);
}

function create(session) {
  const size = { width: WIDTH, height: HEIGHT };
  const curve = shape("svg", { class: "spark", ...size, "aria-hidden": "true" }, shape("path"));
  const link = element(
    "a",
    { href: `/session/${encodeURIComponent(session.id)}` },
    element("span", { class: "name" }),
    curve,
    element("span", { class: "outcome" }),
    element("span", { class: "small" }),
  );
  return element("li", {}, link);
}

function update(node, session, currentId) {
  const link = node.firstElementChild;
  const [name, curve, outcome, small] = link.children;
  setAttributes(link, { "aria-current": session.id === currentId ? "page" : null });
  setText(name, session.workload);
  setText(outcome, outcomeOf(session));
  setAttributes(outcome, { "data-verdict": session.verdict });
  const simulated = session.simulated ? "SIMULATED, " : "";
  setText(small, `${simulated}${dateAndTime(session.started)}, ${counted(session.trials, "run")}, ${session.id}`);
  setAttributes(curve.firstElementChild, { d: sparkline(session.curve || []) });
}

function outcomeOf({ verdict, gain, status, state }) {
  if (verdict === "improved" && gain) return interval(gain.estimate, gain.ci_low, gain.ci_high);
  if (verdict === "none") return "no confirmed gain";
  return verdict || (status === "running" ? `running: ${state}` : status);
}

function sparkline(curve) {
  const known = curve.filter((value) => value != null);
  if (known.length < 2) return "";
  const low = Math.min(...known, 1);
  const high = Math.max(...known, 1);
  const scale = (HEIGHT - 4) / (high - low || 1);
  const y = (value) => (HEIGHT - 2 - (value - low) * scale).toFixed(1);
  const x = (index) => (1 + (index / (curve.length - 1)) * (WIDTH - 2)).toFixed(1);
  let path = "";
  curve.forEach((value, index) => {
    if (value == null) return;
    path += path ? `H${x(index)}V${y(value)}` : `M${x(index)} ${y(value)}`;
  });
  return path;
}
