/** What all charts share: colours of the theme, size of their place, marks that differ by shape. */

const uPlot = globalThis.uPlot;
const alive = new Set();

/** The colour that the theme gives the custom property `name` now, as canvas understands it. */
export function colour(name) {
  const probe = document.getElementById("probe");
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

/**
 * Draw a chart into `host` and keep it as wide as that.
 *
 * @param host element that gives the width
 * @param height in CSS pixels, or a function of the width
 * @param options returns uPlot's options (without size); called anew when the theme changes
 * @returns `set(data)` to show other data
 */
export function chart(host, height, options) {
  let plot = null;
  let data = null;
  let width = 0;

  function size() {
    return { width, height: typeof height === "function" ? height(width) : height };
  }

  function build() {
    plot?.destroy();
    plot = null;
    if (!data || width < 40) return;
    plot = new uPlot({ ...size(), ...options() }, data, host);
    plot.root.setAttribute("aria-hidden", "true"); // the table beside it says the same
  }

  const handle = {
    set(next) {
      data = next;
      if (plot) plot.setData(next);
      else build();
    },
    build,
  };
  new ResizeObserver(() => {
    const next = Math.floor(host.clientWidth);
    if (next === width) return;
    width = next;
    if (plot && width >= 40) plot.setSize(size());
    else build();
  }).observe(host);
  width = Math.floor(host.clientWidth);
  alive.add(handle);
  return handle;
}

document.addEventListener("themechange", () => alive.forEach((handle) => handle.build()));

/** An axis in the page's own type; `values` turns numbers into labels. */
export function axis(extra = {}) {
  return {
    stroke: colour("--muted"),
    font: '12px system-ui, "Liberation Sans", sans-serif',
    grid: { stroke: colour("--grid"), width: 1 },
    ticks: { show: false },
    gap: 6,
    ...extra,
  };
}

/** What names an axis. */
export function named(label) {
  return { label, labelSize: 16, labelGap: 0, labelFont: "12px system-ui, sans-serif" };
}

/** No legend, no zoom by dragging, one vertical line that follows the pointer. */
export const CALM = {
  legend: { show: false },
  cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
};

/** A series that only `marks` draw. */
export const UNDRAWN = { paths: () => null, points: { show: false } };

/**
 * A uPlot `draw` hook that puts one mark at each value of a series.
 *
 * @param series its position in the data
 * @param mark name of a function in MARKS
 * @param token custom property of its colour
 * @param radius in CSS pixels
 */
export function marks(series, mark, token, radius) {
  return (plot) => {
    const context = plot.ctx;
    const ratio = globalThis.devicePixelRatio || 1;
    context.save();
    context.strokeStyle = colour(token);
    context.fillStyle = colour(token);
    context.lineWidth = 1.6 * ratio;
    plot.data[series].forEach((value, index) => {
      if (value == null) return;
      const x = plot.valToPos(plot.data[0][index], "x", true);
      const y = plot.valToPos(value, "y", true);
      context.beginPath();
      MARKS[mark](context, x, y, radius * ratio);
    });
    context.restore();
  };
}

const MARKS = {
  dot(context, x, y, r) {
    context.arc(x, y, r, 0, 2 * Math.PI);
    context.fill();
  },
  ring(context, x, y, r) {
    context.arc(x, y, r, 0, 2 * Math.PI);
    context.stroke();
  },
  diamond(context, x, y, r) {
    const d = r * 1.25;
    context.moveTo(x, y - d);
    context.lineTo(x + d, y);
    context.lineTo(x, y + d);
    context.lineTo(x - d, y);
    context.closePath();
    context.stroke();
  },
  cross(context, x, y, r) {
    context.moveTo(x - r, y - r);
    context.lineTo(x + r, y + r);
    context.moveTo(x + r, y - r);
    context.lineTo(x - r, y + r);
    context.stroke();
  },
  triangle(context, x, y, r) {
    const d = r * 1.2;
    context.moveTo(x - d, y - d * 0.8);
    context.lineTo(x + d, y - d * 0.8);
    context.lineTo(x, y + d);
    context.closePath();
    context.stroke();
  },
};
