/** From a snapshot's runs to the points of the learning curve. */

/** Return A/A, search and sentinel runs in order, baselines with their band as ratios. */
export function curveRuns({ runs, baseline, benchmark }) {
  const lower = benchmark.direction === "minimize";
  const levels = new Map(baseline.runs.map((run) => [run.number, run]));
  let best = null;
  return runs
    .filter((run) => ["aa", "search", "sentinel"].includes(run.phase))
    .map((run) => {
      best = run.best ?? best;
      const [low, high] = band(levels.get(run.number), lower);
      return {
        kind: run.phase === "search" && !run.baseline ? "trial" : "baseline",
        number: run.index,
        value: run.value,
        unit: benchmark.unit,
        ratio: run.ratio,
        best,
        low,
        high,
        failure: run.failure,
        cut: run.cut_short,
        setting: run.setting,
      };
    });
}

function band(level, lower) {
  if (!level?.level || level.low == null || level.high == null) return [null, null];
  return lower
    ? [level.level / level.high, level.level / level.low]
    : [level.low / level.level, level.high / level.level];
}
