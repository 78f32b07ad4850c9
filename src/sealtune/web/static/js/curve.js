/** The learning curve: each trial against the baseline of its time, the best so far, sentinels. */

import { CALM, UNDRAWN, axis, chart, colour, marks, named } from "./charts.js";
import { byId, setText, show } from "./dom.js";
import { counted, measured, percent, settingText } from "./format.js";
import { drawKey } from "./key.js";
import { logOf, ratioBounds, ratioLabel, ratioTicks } from "./scale.js";
import { fillTable } from "./table.js";

const uPlot = globalThis.uPlot;
const [TRIAL, CUT, BASELINE, FAILED, BEST, HIGH, LOW] = [1, 2, 3, 4, 5, 6, 7];

const KEY = [
  ["trial", "trial"],
  ["best", "best so far, not confirmed"],
  ["baseline", "baseline run"],
  ["band-baseline", "spread of single baseline runs"],
  ["cut", "cut short"],
  ["failed", "failed"],
];

let shown = [];
let bounds = [-0.05, 0.05];

function options() {
  return {
    ...CALM,
    padding: [8, 8, 0, 0],
    scales: {
      x: { time: false, range: (_, low, high) => [low - 0.7, high + 0.7] },
      y: { range: () => bounds },
    },
    axes: [
      axis({ ...named("run"), size: 32, incrs: [1, 2, 5, 10, 20, 50, 100, 200] }),
      axis({
        size: 58,
        splits: (_, __, low, high) => ratioTicks(low, high),
        values: (_, ticks) => ticks.map(ratioLabel),
      }),
    ],
    bands: [{ series: [HIGH, LOW], fill: colour("--band-baseline") }],
    series: [
      {},
      UNDRAWN,
      UNDRAWN,
      UNDRAWN,
      UNDRAWN,
      {
        stroke: colour("--mark-best"),
        width: 2,
        paths: uPlot.paths.stepped({ align: 1 }),
        points: { show: false },
        spanGaps: true,
      },
      { stroke: "transparent", points: { show: false }, spanGaps: true },
      { stroke: "transparent", points: { show: false }, spanGaps: true },
    ],
    hooks: {
      draw: [
        zeroLine,
        marks(TRIAL, "dot", "--mark-trial", 3),
        marks(CUT, "triangle", "--mark-cut", 4),
        marks(BASELINE, "diamond", "--mark-baseline", 4),
        marks(FAILED, "cross", "--mark-failed", 4),
      ],
      setCursor: [(plot) => readOut(plot.cursor.idx)],
    },
  };
}

/** Draw the line where a setting is as good as the baseline. */
export function zeroLine(plot) {
  const { ctx: context, bbox } = plot;
  const y = Math.round(plot.valToPos(0, "y", true));
  context.save();
  context.strokeStyle = colour("--edge");
  context.beginPath();
  context.moveTo(bbox.left, y);
  context.lineTo(bbox.left + bbox.width, y);
  context.stroke();
  context.restore();
}

function readOut(index) {
  const run = index == null ? null : shown[index];
  const text = run ? `${described(run)}   ${settingText(run.setting)}` : "Point at a run to read it.";
  setText(byId("curve-at"), text);
}

/** One run in words: what it was, what it measured. */
function described(run) {
  const what = `${run.kind === "baseline" ? "baseline" : "trial"} ${run.number}`;
  if (run.failure) return `${what}: failed, ${run.failure}`;
  const beside = run.ratio == null ? "" : `, ${percent(run.ratio)}`;
  return `${what}: ${measured(run.value, run.unit)}${beside}${run.cut ? ", cut short" : ""}`;
}

function columns(runs) {
  const pick = (test) => runs.map((run) => (test(run) ? logOf(run.ratio) : null));
  const floor = bounds[0] + (bounds[1] - bounds[0]) * 0.03;
  return [
    runs.map((_, index) => index + 1),
    pick((run) => run.kind === "trial" && !run.failure && !run.cut),
    pick((run) => run.kind === "trial" && !run.failure && run.cut),
    pick((run) => run.kind === "baseline" && !run.failure),
    runs.map((run) => (run.failure ? floor : null)),
    runs.map((run) => logOf(run.best)),
    runs.map((run) => logOf(run.high)),
    runs.map((run) => logOf(run.low)),
  ];
}

const height = (width) => Math.round(Math.min(340, Math.max(220, width * 0.36)));
const plot = chart(byId("curve"), height, options);

/**
 * Show the runs of A/A and search.
 *
 * @param runs in the order in which they ran: `kind` ("trial" or "baseline"), `number`, `value`,
 *   `unit`, `ratio`, `best` (of the search so far), `low` and `high` (spread of single baseline
 *   runs), `failure`, `cut`, `setting`
 */
export function drawCurve(runs) {
  shown = runs;
  const trials = runs.filter((run) => run.kind === "trial");
  const present = runs.length > 0;
  for (const id of ["curve-details", "curve-at"]) show(byId(id), present);
  drawKey(byId("curve-key"), present ? KEY.filter(([mark]) => used(mark, runs)) : []);
  setText(byId("curve-says"), summary(runs, trials));
  byId("curve").hidden = !present;
  if (!present) return;
  const values = runs.flatMap((run) => [run.ratio, run.low, run.high]).map(logOf);
  bounds = ratioBounds(values);
  plot.set(columns(runs));
  if (!byId("curve-at").textContent) readOut(null);
  if (byId("curve-details").open) table(runs);
}

byId("curve-details").addEventListener("toggle", (event) => event.target.open && table(shown));

function used(mark, runs) {
  if (mark === "cut") return runs.some((run) => run.cut);
  if (mark === "failed") return runs.some((run) => run.failure);
  if (mark === "best") return runs.some((run) => run.best != null);
  if (mark === "trial") return runs.some((run) => run.kind === "trial");
  return true;
}

function summary(runs, trials) {
  if (!runs.length) return "Nothing has been measured yet.";
  const baselines = runs.length - trials.length;
  if (!trials.length) {
    return `${counted(baselines, "run")} of the original values; the search has not begun.`;
  }
  const failed = trials.filter((run) => run.failure).length;
  const cut = trials.filter((run) => run.cut).length;
  const best = runs.at(-1).best;
  const parts = [`${counted(trials.length, "trial")} beside ${counted(baselines, "baseline run")}`];
  if (cut) parts.push(`${cut} cut short`);
  if (failed) parts.push(`${failed} failed`);
  const said =
    best == null
      ? "No trial gave a number yet."
      : `Best single trial ${percent(best)}, a guess: only fresh pairs decide.`;
  return `${parts.join(", ")}. ${said}`;
}

function table(runs) {
  const names = ["run", "what", "measured", "to baseline", "setting"];
  const rows = runs.map((run, index) => [
    index + 1,
    `${run.kind} ${run.number}`,
    outcome(run),
    run.failure ? "" : percent(run.ratio),
    settingText(run.setting),
  ]);
  fillTable(byId("curve-table"), names, rows);
}

function outcome(run) {
  if (run.failure) return `failed: ${run.failure}`;
  return `${measured(run.value, run.unit)}${run.cut ? " (cut short)" : ""}`;
}
