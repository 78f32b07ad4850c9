/** The parameters: what the machine had, what is tried, what the kernel says now, what was best. */

import { byId, element, reconcile, setAttributes, setText, show } from "./dom.js";
import { MISSING, counted, unbroken } from "./format.js";
import { drawKey } from "./key.js";
import { positionOf } from "./scale.js";
import { isOver } from "./steps.js";

const KEY = [
  ["range-original", "original value"],
  ["range-now", "now"],
  ["range-best", "best"],
];
const LATER = {
  new_connection: "new connections",
  new_listener: "servers that start to listen",
  new_memory: "new memory",
  new_open: "files opened anew",
  new_socket: "new sockets",
};

/** Show the table of a snapshot's parameters. */
export function drawParameters(snapshot) {
  const { parameters } = snapshot;
  const table = byId("parameters");
  show(table, parameters.length);
  drawKey(byId("parameters-key"), parameters.length ? KEY : []);
  setText(byId("parameters-says"), summary(snapshot));
  if (!table.tHead) {
    const head = element("tr", { role: "row" });
    table.append(
      element("thead", { role: "rowgroup" }, head),
      element("tbody", { role: "rowgroup" }),
    );
  }
  const names = headings(snapshot);
  reconcile(
    table.tHead.rows[0],
    names,
    (name) => name,
    (name) => element("th", { scope: "col", role: "columnheader" }, name),
    () => {},
  );
  reconcile(
    table.tBodies[0],
    parameters,
    (parameter) => `${names.join()}:${parameter.name}`,
    (parameter) => row(parameter, names),
    (node, parameter) => update(node, parameter, snapshot),
  );
}

function headings(snapshot) {
  const names = ["parameter and why", "range tried", "original", nowHeading(snapshot), bestHeading(snapshot)];
  if (snapshot.parameters.some((parameter) => parameter.effect)) names.push("own effect, fresh pairs");
  return names;
}

function nowHeading({ simulated, state }) {
  if (!simulated) return "kernel says now";
  return isOver(state) ? "last run (simulated)" : "now (simulated)";
}

function bestHeading({ verdict, state }) {
  if (verdict?.gain?.confirmed) return "confirmed";
  return isOver(state) ? "best tried" : "best so far";
}

function summary({ parameters, state, simulated }) {
  if (!parameters.length) return "None are known yet.";
  if (simulated && isOver(state)) {
    return `${counted(parameters.length, "parameter")} of a simulated machine, which is gone.`;
  }
  const source = simulated ? "on the simulated machine" : "on this kernel";
  const changed = parameters.filter(differs);
  const unread = parameters.filter((one) => one.now == null).length;
  const unknown = unread ? ` ${unread} cannot be read.` : "";
  if (!changed.length) return `None differs ${source} now from its original value.${unknown}`;
  const were = isOver(state) ? " from what they were before the session" : " from their original value";
  return `${changed.length} of ${parameters.length} differ ${source} now${were}.${unknown}`;
}

function differs({ now, original }) {
  return now != null && original != null && now !== original;
}

function row(parameter, names) {
  const cell = (label, name) => element("td", { role: "cell", "data-label": label, class: name });
  const range = cell("", "range-cell");
  range.append(rangeFigure(parameter));
  const node = element(
    "tr",
    { role: "row" },
    element(
      "th",
      { scope: "row", role: "rowheader" },
      element("span", { class: "name" }),
      element("span", { class: "why" }),
    ),
    range,
    cell("original", "value"),
    cell(names[3], "value"),
    cell(names[4], "value best-value"),
  );
  if (names[5]) node.append(cell("effect", "effect"));
  return node;
}

function rangeFigure(parameter) {
  const figure = element("span", { class: "range", "aria-hidden": "true" });
  for (const mark of ["r-original", "r-best", "r-now"]) figure.append(element("i", { class: mark }));
  const ends = element("span", { class: "range-ends" });
  if (parameter.kind === "choice") {
    ends.classList.add("choices");
    ends.append(...parameter.choices.map((choice) => element("span", {}, choice)));
  } else {
    const scale = parameter.scale === "log" ? ", log" : "";
    ends.append(
      element("span", {}, String(parameter.low)),
      element("span", {}, `${parameter.unit}${scale}`.replace(/^, /, "")),
      element("span", {}, String(parameter.high)),
    );
  }
  return element("div", {}, figure, ends);
}

/** Where a value lies in its parameter's range, 0..1; null when outside or unknown. */
export function place(parameter, value) {
  if (value == null) return null;
  if (parameter.kind === "choice") {
    const index = parameter.choices.indexOf(String(value));
    return index < 0 ? null : (index + 0.5) / parameter.choices.length;
  }
  const at = positionOf(value, parameter.low, parameter.high, parameter.scale);
  return at == null ? null : Math.min(1, Math.max(0, at));
}

function update(node, parameter, snapshot) {
  const [head, range, original, now, best, effect] = node.cells;
  setText(head.firstElementChild, parameter.name);
  setText(head.lastElementChild, reasons(parameter));
  const figure = range.querySelector(".range");
  for (const name of ["original", "best", "now"]) {
    move(figure.querySelector(`.r-${name}`), place(parameter, parameter[name]));
  }
  setText(original, parameter.original ?? MISSING);
  setText(now, parameter.now == null ? "cannot be read" : parameter.now);
  setAttributes(now, {
    class: `value${differs(parameter) ? " changed" : ""}`,
    title: parameter.now_from === "run" ? "read back after the last run" : "read just now",
  });
  setText(best, kept(parameter, snapshot));
  if (effect) setText(effect, unbroken(parameter.effect || MISSING));
}

function kept(parameter, snapshot) {
  if (parameter.best == null) return snapshot.best || snapshot.verdict ? "unchanged" : MISSING;
  if (parameter.kept === false && snapshot.verdict?.gain?.confirmed) return `${parameter.best} (not needed)`;
  return parameter.best;
}

function reasons(parameter) {
  const later = LATER[parameter.effective] ? ` Bites on ${LATER[parameter.effective]} only.` : "";
  const cost = parameter.kept && parameter.trade_off ? ` Costs: ${parameter.trade_off}` : "";
  return `${parameter.why || parameter.what}${later}${cost}`;
}

function move(mark, at) {
  mark.hidden = at == null;
  if (at != null) mark.style.left = `${(100 * at).toFixed(2)}%`;
}
