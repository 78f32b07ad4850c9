/** Scales for ratios to the baseline: drawn as logarithms, so that x2 and x0.5 are equally far. */

import { percent } from "./format.js";

const STEPS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5];
const FACTORS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 50, 100];
const MOST_TICKS = 7;

/** The logarithm of a ratio; null where there is none. */
export function logOf(ratio) {
  return ratio == null || !(ratio > 0) ? null : Math.log(ratio);
}

/** Where to put ticks between two logarithms of ratios. */
export function ratioTicks(low, high) {
  const bottom = Math.exp(low);
  const top = Math.exp(high);
  for (const step of STEPS) {
    if ((top - bottom) / step > MOST_TICKS) continue;
    const first = Math.ceil((bottom - 1) / step);
    const last = Math.floor((top - 1) / step);
    const ticks = [];
    for (let count = first; count <= last; count += 1) ticks.push(Math.log(1 + count * step));
    return ticks;
  }
  return FACTORS.filter((factor) => factor >= bottom && factor <= top).map(Math.log);
}

/** The label of a tick: whole percent where that is exact. */
export function ratioLabel(logarithm) {
  const ratio = Math.exp(logarithm);
  if (Math.abs(ratio - 1) < 1e-9) return "0 %";
  return percent(ratio).replace(/\.0(\s%)/, "$1");
}

/** Bounds of an axis that holds `values` (logarithms) and the baseline, with some air. */
export function ratioBounds(values, least = 0.06) {
  const known = values.filter((value) => value != null);
  let low = Math.min(0, ...known);
  let high = Math.max(0, ...known);
  if (high - low < least) {
    low -= least / 2;
    high += least / 2;
  }
  const air = (high - low) * 0.07;
  return [low - air, high + air];
}

/** Position of `value` between `low` and `high` in 0..1, on a logarithmic scale if asked. */
export function positionOf(value, low, high, scale) {
  const [at, from, to] = [Number(value), Number(low), Number(high)];
  if (![at, from, to].every(Number.isFinite) || to <= from) return null;
  if (scale === "log" && from > 0 && at > 0) {
    return Math.log(at / from) / Math.log(to / from);
  }
  return (at - from) / (to - from);
}
