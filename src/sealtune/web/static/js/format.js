/** Numbers and settings as people read them: the same words as sealtune.report.format. */

const LARGE_RATIO = 2;
export const MISSING = "–";

/** Minutes and seconds of `seconds`: 92.4 is "1:32", 3700 is "1:01:40". */
export function clock(seconds) {
  if (seconds == null) return MISSING;
  const whole = Math.max(0, Math.round(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const left = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${left}` : `${minutes}:${left}`;
}

/** A ratio as a change ("+10.4 %"), or as a factor where that reads better ("x3.41"). */
export function percent(ratio) {
  if (ratio == null) return MISSING;
  if (ratio >= LARGE_RATIO) return `x${Number(ratio.toPrecision(3))}`;
  const change = (ratio - 1) * 100;
  return unbroken(`${change < 0 ? "" : "+"}${change.toFixed(1)} %`);
}

/** The same text, but no line ends between a number and its percent sign. */
export function unbroken(text) {
  return text.replace(/(\d) %/g, "$1\u00a0%");
}

/** An estimate with its interval: "+10.0 % [+5.0 %, +15.0 %]". */
export function interval(estimate, low, high) {
  return `${percent(estimate)} [${percent(low)}, ${percent(high)}]`;
}

/** A share between 0 and 1 as whole percent. */
export function share(value) {
  return value == null ? MISSING : `${Math.round(100 * value)} %`;
}

/** A measured number with as many digits as carry meaning. */
export function number(value, digits = 5) {
  if (value == null) return MISSING;
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  return String(Number(value.toPrecision(digits)));
}

/** A measured number with its unit. */
export function measured(value, unit) {
  return value == null ? MISSING : `${number(value)} ${unit || ""}`.trim();
}

/** A setting on one line; the empty one is the machine as found. */
export function settingText(setting) {
  const parts = Object.entries(setting || {}).map(([name, value]) => `${name}=${value}`);
  return parts.join("  ") || "as found";
}

/** An amount of memory in GiB or MiB. */
export function memory(bytes) {
  if (bytes == null) return MISSING;
  const gibibytes = bytes / 1024 ** 3;
  return gibibytes >= 1
    ? `${Number(gibibytes.toPrecision(3))} GiB`
    : `${Math.round(bytes / 1024 ** 2)} MiB`;
}

/** Hours, minutes and seconds of a moment (seconds since the epoch), local time. */
export function timeOfDay(epoch) {
  if (epoch == null) return MISSING;
  return new Date(epoch * 1000).toLocaleTimeString("en-GB");
}

/** Date and minute of a moment, local time: "2026-11-22 08:18". */
export function dateAndTime(epoch) {
  if (epoch == null) return MISSING;
  const moment = new Date(epoch * 1000);
  const two = (value) => String(value).padStart(2, "0");
  const date = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  return `${date} ${two(moment.getHours())}:${two(moment.getMinutes())}`;
}

/** A name of a metric or trait as words. */
export function words(name) {
  return String(name ?? "").replaceAll("_", " ");
}

/** `count` with its noun: one trial, two trials. */
export function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
