/** Which parameters mattered in the search: shares with intervals, a guess and said to be one. */

import { byId, element, reconcile, setAttributes, setText, show } from "./dom.js";
import { share } from "./format.js";
import { isOver } from "./steps.js";

const LIMITS =
  "Share: how much of what the settings changed goes through it, over the whole range tried; a model's " +
  "guess from noisy single runs. Those that act together both count. First: chance that nothing mattered " +
  "more. What the chosen value alone adds is another thing: see the effects by fresh pairs.";

/** Show the importance of a snapshot's parameters, or why there is none. */
export function drawImportance(snapshot) {
  const { importance, state } = snapshot;
  const rows = importance?.rows || [];
  const table = byId("importance");
  show(table, rows.length);
  setText(byId("importance-says"), summary(importance, rows, state));
  setText(byId("importance-limits"), rows.length ? LIMITS : "");
  if (!rows.length) return;
  if (!table.tHead) {
    const names = ["parameter", "share", "first", "best region"];
    const head = names.map((name) => element("th", { scope: "col" }, name));
    table.append(element("thead", {}, element("tr", {}, ...head)), element("tbody"));
  }
  reconcile(table.tBodies[0], rows, (row) => row.param, create, update);
}

function summary(importance, rows, state) {
  if (!importance) {
    if (isOver(state)) return "Not known: it was not computed.";
    return "Computed when the search is over and no benchmark runs any more.";
  }
  const { basis } = importance;
  if (!rows.length) return `Not known: ${basis.reason || "nothing can be said from these trials"}.`;
  const told = rows.filter((row) => row.told).length;
  if (!told) return `Cannot tell from these ${basis.trials} trials: none stands out from chance.`;
  return `From ${basis.trials} single runs, a guess; ${share(basis.confidence)} intervals.`;
}

function create() {
  const figure = element(
    "span",
    { class: "bar-figure", "aria-hidden": "true" },
    element("span", { class: "bar-fill" }),
    element("span", { class: "bar-whisker" }),
  );
  const name = element("th", { scope: "row" }, element("span"), figure);
  return element("tr", {}, name, element("td"), element("td"), element("td"));
}

function update(node, row) {
  const [head, size, first, best] = node.cells;
  const [name, figure] = head.children;
  setAttributes(node, { class: row.told ? null : "untold" });
  setText(name, row.param);
  const [fill, whisker] = figure.children;
  fill.style.width = `${100 * row.share}%`;
  whisker.style.left = `${100 * row.low}%`;
  whisker.style.width = `${100 * (row.high - row.low)}%`;
  const [low, high] = [row.low, row.high].map((end) => Math.round(100 * end));
  setText(size, row.told ? `${share(row.share)} [${low}, ${high}]` : "cannot tell");
  setText(first, row.told ? share(row.most_important_probability) : "");
  setText(best, row.told ? row.best || "not clear" : "");
}
