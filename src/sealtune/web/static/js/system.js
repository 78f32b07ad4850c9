/** The machine while the benchmark ran: one small chart each, one point per run. */

import { CALM, axis, chart, colour } from "./charts.js";
import { byId, element, setText, show } from "./dom.js";

const PALETTE = ["--mark-best", "--mark-cut", "--mark-baseline"];
const DASHES = [[], [6, 4], [2, 3]];
const STRIPS = [
  { title: "CPU", lines: [["cpu_usage", "busy"]] },
  { title: "I/O wait", lines: [["io_wait_percent", "waiting"]] },
  { title: "Memory", lines: [["memory_used_percent", "used"]] },
  {
    title: "Pressure (PSI)",
    lines: [
      ["psi_cpu_some", "cpu"],
      ["psi_memory_some", "memory"],
      ["psi_io_some", "I/O"],
    ],
  },
];

const drawn = new Map();

/** Show CPU, I/O wait, memory and pressure of every run. */
export function drawSystem(snapshot) {
  const { runs } = snapshot;
  const any = runs.some((run) => Object.keys(run.metrics).length);
  show(byId("system"), any);
  const says = "One point per run; in percent of the run's time, memory at its end.";
  setText(byId("system-says"), any ? says : "No metrics yet: they come with the first run.");
  if (!any) return;
  for (const strip of STRIPS) {
    if (!drawn.has(strip.title)) drawn.set(strip.title, begin(strip));
    drawn.get(strip.title)(runs, snapshot);
  }
}

function begin(strip) {
  const level = element("span", { class: "level" });
  const place = element("div", { class: "plot" });
  const says = element("p", { class: "small muted" });
  const head = element("div", { class: "strip-head" }, element("h3", {}, strip.title), level);
  byId("system").append(element("div", { class: "strip" }, head, place, says));
  let top = 100;
  const plot = chart(place, 96, () => ({
    ...CALM,
    padding: [6, 4, 0, 0],
    scales: { x: { time: false }, y: { range: () => [0, top] } },
    axes: [
      axis({ size: 20, incrs: [5, 10, 20, 50, 100, 200] }),
      axis({
        size: 48,
        splits: () => [0, top / 2, top],
        values: (_, ticks) => ticks.map((tick) => `${tick} %`),
      }),
    ],
    series: [
      {},
      ...strip.lines.map((_, index) => ({
        stroke: colour(PALETTE[index]),
        dash: DASHES[index],
        width: 1.6,
        points: { show: false },
        spanGaps: true,
      })),
    ],
  }));
  return (runs, snapshot) => {
    const columns = strip.lines.map(([name]) => runs.map((run) => run.metrics[name] ?? null));
    const known = columns.flat().filter((value) => value != null);
    place.hidden = !known.length;
    setText(level, known.length ? latest(strip, columns) : "");
    setText(says, known.length ? spread(strip, columns) : absent(strip, snapshot));
    if (!known.length) return;
    top = [5, 10, 20, 50, 100].find((bound) => bound >= Math.max(...known)) ?? 100;
    plot.set([runs.map((run) => run.number), ...columns]);
  };
}

function latest(strip, columns) {
  const last = columns.map((column) => column.findLast((value) => value != null));
  if (strip.lines.length === 1) return `${round(last[0])} %`;
  return strip.lines
    .map(([, label], index) => (last[index] == null ? null : `${label} ${round(last[index])} %`))
    .filter(Boolean)
    .join(", ");
}

function spread(strip, columns) {
  return strip.lines
    .map(([, label], index) => {
      const known = columns[index].filter((value) => value != null);
      if (!known.length) return null;
      const name = strip.lines.length > 1 ? `${label} (${["solid", "dashed", "dotted"][index]})` : label;
      return `${name} ${round(Math.min(...known))} to ${round(Math.max(...known))} %`;
    })
    .filter(Boolean)
    .join(", ");
}

function absent(strip, snapshot) {
  const why = snapshot.simulated ? "the simulated machine has none" : "this kernel does not report it";
  return `Not recorded: ${why}.`;
}

function round(value) {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}
