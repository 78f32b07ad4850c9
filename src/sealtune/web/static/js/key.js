/** The key of a chart: each mark drawn as it is in the chart, with its meaning in words. */

import { element, reconcile, shape } from "./dom.js";

const DRAWN = {
  trial: () => shape("circle", { class: "m-trial", cx: 8, cy: 8, r: 3.5 }),
  best: () => shape("path", { class: "m-best", d: "M1 12 H7 V5 H15" }),
  baseline: () => shape("path", { class: "m-baseline", d: "M8 3 L13 8 L8 13 L3 8 Z" }),
  failed: () => shape("path", { class: "m-failed", d: "M4 4 L12 12 M12 4 L4 12" }),
  cut: () => shape("path", { class: "m-cut", d: "M3 4 H13 L8 13 Z" }),
  band: () => shape("rect", { class: "m-band", x: 1, y: 3, width: 14, height: 10 }),
  "band-baseline": () =>
    shape("rect", { class: "m-band-baseline", x: 1, y: 3, width: 14, height: 10 }),
  limit: () => shape("path", { class: "m-limit", d: "M0 8 H16" }),
  top: () => shape("path", { class: "k-top", d: "M1 12 L15 4" }),
  good: () => shape("path", { class: "k-good", d: "M1 12 L15 4" }),
  poor: () => shape("path", { class: "k-poor", d: "M1 12 L15 4" }),
  broken: () => shape("path", { class: "k-failed", d: "M1 12 L15 4" }),
  was: () => shape("circle", { class: "k-was", cx: 8, cy: 8, r: 4 }),
  "range-original": () => null,
  "range-now": () => null,
  "range-best": () => null,
};

function picture(mark) {
  if (mark.startsWith("range-")) {
    const dot = element("i", { class: mark.replace("range-", "r-") });
    return element("span", { class: "range range-mark", "aria-hidden": "true" }, dot);
  }
  return shape(
    "svg",
    { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" },
    DRAWN[mark](),
  );
}

/** Make `list` explain `entries`, pairs of a mark's name and its meaning. */
export function drawKey(list, entries) {
  list.hidden = !entries.length;
  reconcile(
    list,
    entries,
    ([mark, meaning]) => `${mark}:${meaning}`,
    ([mark, meaning]) => element("li", {}, picture(mark), meaning),
    () => {},
  );
}
