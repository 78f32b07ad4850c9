/** What is tuned and why: the benchmark, the machine, who planned it, how long it takes. */

import { byId, definitions, element, reconcile, setText, show } from "./dom.js";
import { clock, counted, dateAndTime, memory, words } from "./format.js";

/** Show the plan, its notices and the title of the page's session. */
export function drawPlan(snapshot) {
  drawTitle(snapshot);
  show(byId("plan-says"), false);
  definitions(byId("plan"), facts(snapshot));
  reconcile(
    byId("plan-notes"),
    snapshot.notices,
    (text, index) => `${index}:${text}`,
    (text) => element("li", {}, text),
    () => {},
  );
}

function drawTitle(snapshot) {
  const { benchmark } = snapshot;
  setText(byId("title"), snapshot.workload);
  const better = benchmark.direction === "minimize" ? "lower is better" : "higher is better";
  const parts = [
    `${words(benchmark.metric)}${benchmark.unit ? ` [${benchmark.unit}]` : ""}, ${better}`,
    benchmark.title || benchmark.name,
    `session ${snapshot.id}, ${dateAndTime(snapshot.started)}`,
  ];
  setText(byId("subtitle"), parts.filter(Boolean).join("  ·  "));
}

function facts(snapshot) {
  const { benchmark, facts: machine, description, workload } = snapshot;
  const run = benchmark.run_seconds ? `, runs of ${benchmark.run_seconds} s` : "";
  return [
    ["Asked for", description && description !== workload ? description : ""],
    ["Benchmark", `${benchmark.title || benchmark.name}${run}`],
    ["Machine", machineText(machine)],
    ["Planned by", snapshot.strategist || "your own config"],
    ["Searched by", `${snapshot.tacticians.join(", ")}, seed ${snapshot.seed}`],
    ["How long", howLong(snapshot)],
    ["Command", snapshot.command],
  ];
}

function machineText(machine) {
  if (!machine.kernel) return "";
  const parts = [`Linux ${machine.kernel}`];
  if (machine.cpus) parts.push(counted(machine.cpus, "CPU"));
  if (machine.memory_bytes) parts.push(memory(machine.memory_bytes));
  if (machine.virtualisation) parts.push(machine.virtualisation);
  if (machine.disk) parts.push(`disk ${machine.disk.name}`);
  if (machine.filesystem) parts.push(machine.filesystem);
  return parts.join(", ");
}

function howLong({ plan }) {
  return plan
    .map(({ name, seconds, runs, says }) => {
      const count = runs ? `, ${counted(runs, "run")}` : "";
      return `${name}: at most ${clock(seconds)}${count}; ${says}`;
    })
    .join("\n");
}
