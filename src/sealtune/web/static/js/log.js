/** What the guard wrote, value by value, and the notes of the session. */

import { byId, element, reconcile, setText, show } from "./dom.js";
import { counted, timeOfDay } from "./format.js";
import { isOver } from "./steps.js";
import { fillTable } from "./table.js";

/** Show the guard's log; it stays scrolled to its end unless somebody scrolled up. */
export function drawGuard(snapshot) {
  const { writes } = snapshot.guard;
  const scroll = byId("guard-scroll");
  show(scroll, writes.length);
  setText(byId("guard-says"), summary(snapshot));
  const atEnd = scroll.scrollTop + scroll.clientHeight >= scroll.scrollHeight - 8;
  const rows = writes.map((one) => [timeOfDay(one.at), one.name, one.before, one.after]);
  fillTable(byId("guard"), ["time", "parameter", "before", "written"], rows, true);
  if (atEnd) scroll.scrollTop = scroll.scrollHeight;
}

function summary({ guard, simulated, state }) {
  const parts = [];
  if (guard.writes.length) parts.push(`${counted(guard.writes.length, "value")} written.`);
  else if (simulated) parts.push("Nothing: this session is simulated, no guard was started.");
  else parts.push("Nothing has been written to the kernel yet.");
  if (simulated) return parts.join(" ");
  if (!guard.readable) parts.push("Its journal cannot be read from here, so what it holds now is not known.");
  else if (guard.held.length) {
    const held = guard.held.map((one) => `${one.name} (was ${one.original})`).join(", ");
    parts.push(`Its journal holds the originals of ${held}.`);
    if (isOver(state)) parts.push("Run sealtune restore as root.");
  } else if (!isOver(state)) parts.push("Its journal is empty: nothing is changed now.");
  return parts.join(" ");
}

/** Show the notes of the session, newest last. */
export function drawNotes({ notes, error }) {
  const all = error ? [...notes, { at: null, text: error }] : notes;
  show(byId("notes-says"), !all.length);
  reconcile(
    byId("notes"),
    all,
    (note, index) => `${index}:${note.text}`,
    (note) => element("li", {}, note.at == null ? null : when(note.at), note.text),
    () => {},
  );
}

function when(at) {
  return element("span", { class: "muted" }, `${timeOfDay(at)}  `);
}
