/** The verdict, in the words of the terminal, with what it rests on. */

import { byId, definitions, setAttributes, setText, shape, show } from "./dom.js";
import { clock, interval, percent, share as wholePercent, unbroken } from "./format.js";
import { isOver } from "./steps.js";

/** Show the verdict, or why there is none; nothing while the session runs. */
export function drawVerdict(snapshot) {
  const { verdict, state } = snapshot;
  const present = Boolean(verdict) || isOver(state);
  show(byId("verdict"), present);
  if (!present) return;
  setAttributes(byId("verdict"), { "data-verdict": verdict ? verdict.verdict : state });
  setText(byId("sentence"), unbroken(verdict ? verdict.sentence : unfinished(snapshot)));
  drawGain(verdict?.gain, snapshot.confirmation?.minimum);
  definitions(byId("evidence"), verdict ? evidence(snapshot) : leftOver(snapshot));
}

function unfinished(snapshot) {
  if (snapshot.state === "failed") return `Failed: ${snapshot.error || "no verdict could be reached."}`;
  return "Interrupted: no verdict; finished trials are kept.";
}

function leftOver(snapshot) {
  const tried = snapshot.runs.filter((run) => run.phase === "search").length;
  return [
    ["Runs", `${snapshot.runs.length} are kept, ${tried} of them trials of the search; nothing is confirmed`],
    ["Go on", snapshot.state === "interrupted" ? `sealtune run --resume --session ${snapshot.id}` : ""],
    ["Held", held(snapshot)],
  ];
}

function held(snapshot) {
  const names = snapshot.guard.held.map((one) => one.name);
  return names.length ? `the guard still holds ${names.join(", ")}: run sealtune restore as root` : "";
}

function evidence(snapshot) {
  const { verdict, best } = snapshot;
  const { gain, checks, noise, seconds } = verdict;
  const trials = snapshot.runs.filter((run) => run.phase === "search");
  const cut = snapshot.runs.filter((run) => run.cut_short).length;
  const failed = trials.filter((run) => run.failure).length;
  const single = best ? `best single trial ${percent(best.ratio)}` : "";
  const counts = gain
    ? `; fresh runs show ${percent(gain.estimate)}, and that is what counts`
    : ", not confirmed";
  const searchers = `${snapshot.tacticians.join(", ")}, seed ${snapshot.seed}`;
  const foreign = verdict.foreign.join(", ");
  return [
    ["Interval", gain && checks?.bootstrap ? intervalText(gain, checks) : ""],
    ["Gain is of", gain ? gainOf(verdict) : ""],
    ["Guards", guards(checks?.guards || [])],
    ["Noise", noise?.runs ? noiseText(noise) : ""],
    ["Search", single && `${single}${counts}`],
    ["Trials", `${trials.length} run, ${cut} cut short, ${failed} failed (${searchers})`],
    ["Time", seconds?.total == null ? "" : timeText(seconds)],
    ["Machine", machineText(snapshot)],
    ["Foreign", foreign && `changed by somebody else meanwhile, left alone: ${foreign}`],
    ["Keep it", snapshot.apply.command ? `${snapshot.apply.command}   (undo: sealtune revert)` : ""],
    ["Reproduce", snapshot.command],
  ];
}

function intervalText(gain, checks) {
  const [low, high] = checks.bootstrap;
  return (
    `${interval(gain.estimate, gain.ci_low, gain.ci_high)} at ${wholePercent(gain.confidence)} after ` +
    `${gain.pairs} pairs; beside it Wilcoxon p=${Number(checks.wilcoxon_p.toPrecision(3))}, ` +
    `bootstrap [${percent(low)}, ${percent(high)}]`
  );
}

function gainOf(verdict) {
  const kept = Object.keys(verdict.setting).length;
  const full = Object.keys(verdict.full_setting).length;
  if (verdict.gain_of === "minimal") {
    return `the smallest setting that keeps it (${kept} of ${full} parameters)`;
  }
  return `the whole candidate (${full} parameters)`;
}

function guards(findings) {
  const shown = findings.map((one) => {
    const size = one.unit === "ratio" ? percent(one.worsening) : signed(one.worsening);
    return `${one.metric} ${size}${one.violated ? " (beyond its margin)" : ""}`;
  });
  return shown.length ? `${shown.join(", ")} (more is worse)` : "";
}

function signed(value) {
  return `${value < 0 ? "" : "+"}${Number(value.toPrecision(3))}`;
}

function noiseText(noise) {
  const drift = 100 * noise.drift;
  return (
    `single runs vary by ${(100 * noise.coefficient_of_variation).toFixed(1)} % (drift ` +
    `${drift < 0 ? "" : "+"}${drift.toFixed(1)} %); true gains from ` +
    `${percent(noise.detectable_gain)} on would be seen`
  );
}

function timeText(seconds) {
  return (
    `${clock(seconds.total)}: benchmark ${clock(seconds.benchmark)}, settling ` +
    `${clock(seconds.settling)}, sealtune ${seconds.sealtune.toFixed(1)}\u00a0s, ` +
    `start-up ${seconds.start_up.toFixed(1)}\u00a0s`
  );
}

function machineText(snapshot) {
  if (snapshot.simulated) return "none was touched (simulated)";
  return snapshot.verdict.restored
    ? "every parameter was put back as it was"
    : "NOT fully restored: run sealtune restore as root";
}

/** The interval as a picture; the sentence above says the same in words. */
function drawGain(gain, minimum) {
  const host = byId("gain");
  show(host, Boolean(gain));
  if (!gain) return;
  const spots = [gain.ci_low, gain.ci_high, 1].map(Math.log);
  const low = Math.min(...spots);
  const width = Math.max(...spots) - low || 0.1;
  const share = (ratio) => (Math.log(ratio) - low) / width;
  const at = (ratio) => `${4 + 92 * share(ratio)}%`;
  const anchor = (ratio) => (share(ratio) < 0.1 ? "start" : share(ratio) > 0.9 ? "end" : "middle");
  const text = (ratio, y, label) => shape("text", { x: at(ratio), y, "text-anchor": anchor(ratio) }, label);
  const parts = [
    shape("line", { class: "line", x1: "0%", x2: "100%", y1: 24, y2: 24 }),
    shape("line", { class: "zero", x1: at(1), x2: at(1), y1: 12, y2: 36 }),
    shape("line", { class: "span", x1: at(gain.ci_low), x2: at(gain.ci_high), y1: 24, y2: 24 }),
    shape("circle", { class: "estimate", cx: at(gain.estimate), cy: 24, r: 6 }),
    text(1, 50, "baseline"),
    text(gain.estimate, 10, percent(gain.estimate)),
  ];
  if (minimum) {
    const x = at(minimum);
    parts.push(shape("line", { class: "m-limit", x1: x, x2: x, y1: 14, y2: 34 }));
  }
  const ends = [gain.ci_low, gain.ci_high].filter((end) => Math.abs(Math.log(end)) / width > 0.2);
  if (ends.length === 2 && share(gain.ci_high) - share(gain.ci_low) < 0.25) {
    // On a telephone two labels this near would lie on each other.
    parts.push(text(gain.ci_high, 50, ends.map(percent).join(" to ")));
  } else {
    for (const end of ends) parts.push(text(end, 50, percent(end)));
  }
  host.replaceChildren(shape("svg", { "aria-hidden": "true" }, ...parts));
}
