/** Every setting tried, one line each through an axis per parameter; the better, the darker. */

import { byId, reconcile, setAttributes, setText, shape } from "./dom.js";
import { counted, percent, settingText } from "./format.js";
import { drawKey } from "./key.js";
import { place } from "./parameters.js";

const ROW = 54;
const AXIS = 30; // from the top of a row to its axis
const SIDE = 10;
const KEY = [
  ["top", "best setting"],
  ["good", "best quarter"],
  ["poor", "the rest"],
  ["broken", "failed"],
  ["was", "original"],
];

const host = byId("parallel");
let latest = null;
let width = 0;
let drawing = null;

new ResizeObserver(() => {
  const next = Math.floor(host.clientWidth);
  if (next !== width) {
    width = next;
    if (latest) drawParallel(latest);
  }
}).observe(host);

/** Draw the trials of the search through an axis per parameter, first parameter on top. */
export function drawParallel(snapshot) {
  latest = snapshot;
  const trials = snapshot.runs.filter((run) => run.phase === "search" && !run.baseline);
  const { parameters } = snapshot;
  const present = trials.length > 0 && parameters.length > 0;
  host.hidden = !present;
  const broken = trials.some((run) => run.failure);
  drawKey(byId("parallel-key"), present ? KEY.filter(([mark]) => mark !== "broken" || broken) : []);
  const says = present ? summary(snapshot, trials) : "No trial of the search has finished yet.";
  setText(byId("parallel-says"), says);
  if (!present || width < 60) return;
  drawing ??= begin();
  const height = parameters.length * ROW + 6;
  setAttributes(drawing.root, { height, viewBox: `0 0 ${width} ${height}` });
  const at = (share) => SIDE + share * (width - 2 * SIDE);
  drawAxes(parameters, at);
  drawLines(trials, parameters, at, snapshot);
}

function begin() {
  const parts = { lines: shape("g"), top: shape("g"), axes: shape("g") };
  const root = shape("svg", { "aria-hidden": "true" }, parts.lines, parts.top, parts.axes);
  host.replaceChildren(root);
  return { root, ...parts };
}

function summary({ best, verdict }, trials) {
  const confirmed = verdict?.gain?.confirmed;
  const says = `${counted(trials.length, "setting")}, each a line from the first parameter down to the last.`;
  if (confirmed) return `${says} Confirmed: ${settingText(verdict.setting)}`;
  if (!best) return says;
  return `${says} Best so far (${percent(best.ratio)}, not confirmed): ${settingText(best.setting)}`;
}

function drawAxes(parameters, at) {
  reconcile(
    drawing.axes,
    parameters,
    (parameter) => parameter.name,
    () =>
      shape(
        "g",
        {},
        shape("text", { class: "axis-name", x: 0, y: 12 }),
        shape("line", { class: "axis", y1: AXIS, y2: AXIS }),
        shape("g"),
        shape("circle", { class: "was", cy: AXIS, r: 4.5 }),
      ),
    (node, parameter, index) => {
      const [name, line, ticks, was] = node.children;
      setAttributes(node, { transform: `translate(0 ${index * ROW})` });
      setText(name, parameter.name);
      setAttributes(line, { x1: at(0), x2: at(1) });
      drawTicks(ticks, parameter, at);
      const original = place(parameter, parameter.original);
      setAttributes(was, {
        cx: original == null ? 0 : at(original),
        visibility: original == null ? "hidden" : "visible",
      });
    },
  );
}

function drawTicks(group, parameter, at) {
  const labels =
    parameter.kind === "choice"
      ? parameter.choices.map((choice) => [choice, place(parameter, choice), "middle"])
      : [
          [String(parameter.low), 0, "start"],
          [String(parameter.high), 1, "end"],
        ];
  reconcile(
    group,
    labels,
    ([label], index) => `${index}:${label}`,
    ([label]) => shape("text", { class: "tick", y: AXIS + 15 }, label),
    (node, [, share, anchor]) =>
      setAttributes(node, {
        x: anchor === "start" ? 0 : anchor === "end" ? width : at(share),
        "text-anchor": anchor,
      }),
  );
}

function drawLines(trials, parameters, at, { best, verdict }) {
  const good = trials.filter((run) => run.ratio != null && !run.cut_short).map((run) => run.ratio);
  const sorted = good.sort((one, other) => one - other);
  const quarter = sorted[Math.floor(sorted.length * 0.75)] ?? Infinity;
  const path = (setting) => lineOf(setting, parameters, at);
  reconcile(
    drawing.lines,
    trials,
    (run) => run.number,
    (run) => shape("path", { class: "setting" }, shape("title", {}, `trial ${run.index}`)),
    (node, run) =>
      setAttributes(node, {
        d: path(run.setting),
        "data-rank": run.ratio != null && !run.cut_short && run.ratio >= quarter ? 2 : 0,
        "data-failed": run.failure ? "" : null,
      }),
  );
  const top = verdict?.gain?.confirmed ? verdict.setting : best?.setting;
  reconcile(
    drawing.top,
    top ? [top] : [],
    () => "top",
    () => shape("path", { class: "setting top" }),
    (node, setting) => setAttributes(node, { d: path(setting) }),
  );
}

/** A setting that leaves a parameter alone passes through its original value. */
function lineOf(setting, parameters, at) {
  let pen = "M";
  const parts = [];
  parameters.forEach((parameter, index) => {
    const share = place(parameter, setting[parameter.name] ?? parameter.original);
    if (share == null) {
      pen = "M"; // does not exist under this setting
      return;
    }
    parts.push(`${pen}${at(share).toFixed(1)} ${index * ROW + AXIS}`);
    pen = "L";
  });
  return parts.join(" ");
}
