/** The confirmation: pairs as they come, and the interval that closes in on the truth. */

import { CALM, UNDRAWN, axis, chart, colour, marks, named } from "./charts.js";
import { zeroLine } from "./curve.js";
import { byId, setText, show } from "./dom.js";
import { counted, interval, number, percent } from "./format.js";
import { drawKey } from "./key.js";
import { logOf, ratioBounds, ratioLabel, ratioTicks } from "./scale.js";
import { isOver } from "./steps.js";
import { fillTable } from "./table.js";

const [PAIR, FAILED, ESTIMATE, HIGH, LOW] = [1, 2, 3, 4, 5];
const KEY = [
  ["trial", "one pair"],
  ["best", "estimate"],
  ["band", "95 % interval of all looks"],
  ["limit", "must be exceeded"],
  ["failed", "failed"],
];

let bounds = [-0.05, 0.05];
let planned = 6;
let minimum = null;
let last = null;

function options() {
  const hidden = { stroke: "transparent", points: { show: false }, spanGaps: true };
  return {
    ...CALM,
    padding: [8, 8, 0, 0],
    scales: { x: { time: false, range: () => [0.5, planned + 0.5] }, y: { range: () => bounds } },
    axes: [
      axis({ ...named("pair"), size: 32, incrs: [1, 2, 3, 6, 12] }),
      axis({
        size: 58,
        splits: (_, __, low, high) => ratioTicks(low, high),
        values: (_, ticks) => ticks.map(ratioLabel),
      }),
    ],
    bands: [{ series: [HIGH, LOW], fill: colour("--band") }],
    series: [
      {},
      UNDRAWN,
      UNDRAWN,
      { stroke: colour("--mark-best"), width: 2, points: { show: false }, spanGaps: true },
      hidden,
      hidden,
    ],
    hooks: {
      draw: [
        zeroLine,
        limitLine,
        lastInterval,
        marks(PAIR, "dot", "--mark-trial", 3.5),
        marks(FAILED, "cross", "--mark-failed", 4),
      ],
    },
  };
}

function limitLine(plot) {
  if (!minimum) return;
  const { ctx: context, bbox } = plot;
  const y = plot.valToPos(Math.log(minimum), "y", true);
  context.save();
  context.strokeStyle = colour("--edge");
  context.setLineDash([6, 5]);
  context.beginPath();
  context.moveTo(bbox.left, y);
  context.lineTo(bbox.left + bbox.width, y);
  context.stroke();
  context.restore();
}

/** Draw the newest interval as a bar: a line through one point alone cannot be seen. */
function lastInterval(plot) {
  if (!last) return;
  const { ctx: context } = plot;
  const x = plot.valToPos(last.pair, "x", true);
  const [low, high, middle] = [last.low, last.high, last.estimate].map((ratio) =>
    plot.valToPos(Math.log(ratio), "y", true),
  );
  const half = 5 * devicePixelRatio;
  context.save();
  context.fillStyle = colour("--band");
  context.fillRect(x - 2 * half, high, 4 * half, low - high);
  context.strokeStyle = colour("--mark-best");
  context.lineWidth = 2 * devicePixelRatio;
  context.beginPath();
  for (const y of [low, high, middle]) {
    const reach = y === middle ? 2 * half : half;
    context.moveTo(x - reach, y);
    context.lineTo(x + reach, y);
  }
  context.stroke();
  context.restore();
}

const height = (width) => Math.round(Math.min(340, Math.max(220, width * 0.6)));
const plot = chart(byId("pairs"), height, options);

/** Show a snapshot's confirmation, or what it will be. */
export function drawPairs(snapshot) {
  const { confirmation } = snapshot;
  const pairs = confirmation?.pairs || [];
  byId("pairs").hidden = !pairs.length;
  show(byId("pairs-details"), pairs.length > 0);
  drawKey(byId("pairs-key"), pairs.length ? KEY.filter(([mark]) => used(mark, confirmation)) : []);
  setText(byId("pairs-says"), summary(snapshot, pairs));
  if (!pairs.length) return;
  minimum = confirmation.minimum;
  planned = isOver(snapshot.state) ? pairs.length : Math.max(confirmation.planned, pairs.length);
  const ends = confirmation.course.flatMap((at) => [at.low, at.high]);
  bounds = ratioBounds([...pairs.map((pair) => pair.ratio), ...ends].map(logOf));
  const drawn = columns(confirmation);
  last = newest(confirmation, drawn);
  plot.set(drawn);
  table(pairs);
}

function used(mark, confirmation) {
  if (mark === "failed") return confirmation.pairs.some((pair) => pair.ratio == null);
  if (mark === "best" || mark === "band") return confirmation.course.length > 0;
  return true;
}

function columns({ pairs, course }) {
  const after = new Map(course.map((at) => [at.pairs, at]));
  let good = 0;
  const reached = pairs.map((pair) => (pair.ratio == null ? null : after.get((good += 1)) || null));
  const floor = bounds[0] + (bounds[1] - bounds[0]) * 0.03;
  return [
    pairs.map((_, index) => index + 1),
    pairs.map((pair) => logOf(pair.ratio)),
    pairs.map((pair) => (pair.ratio == null ? floor : null)),
    reached.map((at) => logOf(at?.estimate)),
    reached.map((at) => logOf(at?.high)),
    reached.map((at) => logOf(at?.low)),
  ];
}

function newest({ course }, [numbers, , , estimates]) {
  const at = estimates.findLastIndex((estimate) => estimate != null);
  return at < 0 ? null : { ...course.at(-1), pair: numbers[at] };
}

function summary(snapshot, pairs) {
  const { confirmation, verdict, state } = snapshot;
  if (!pairs.length) return waiting(state);
  const good = pairs.filter((pair) => pair.ratio != null).length;
  const last = confirmation.course.at(-1);
  const looks = confirmation.looks.join(", ");
  const parts = [`${counted(good, "pair")} of at most ${confirmation.planned}, decided after ${looks}.`];
  if (!last) parts.push("An interval needs three.");
  else {
    parts.push(`The candidate measures ${interval(last.estimate, last.low, last.high)}.`);
    if (!last.decides && state === "confirm") {
      parts.push("This is between two looks: it decides nothing yet.");
    }
  }
  if (verdict?.gain_of === "minimal" && verdict.gain) {
    const { gain } = verdict;
    parts.push(
      `The verdict rests on ${counted(gain.pairs, "more pair")} of the smaller setting: ` +
        `${interval(gain.estimate, gain.ci_low, gain.ci_high)}.`,
    );
  }
  return parts.join(" ");
}

function waiting(state) {
  if (isOver(state)) return "It was not reached: there are no pairs.";
  return (
    "Not reached yet. The best candidates are measured again, side by side with the originals; " +
    "only those runs decide."
  );
}

function table(pairs) {
  const rows = pairs.map((pair, index) => [
    index + 1,
    pair.order === "AB" ? "baseline" : "candidate",
    number(pair.baseline),
    number(pair.candidate),
    pair.ratio == null ? `failed: ${pair.failure || "no number"}` : percent(pair.ratio),
  ]);
  fillTable(byId("pairs-table"), ["pair", "first", "baseline", "candidate", "gain"], rows);
}
