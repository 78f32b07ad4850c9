/** Plain tables of texts, changed in place. */

import { element, reconcile, setText } from "./dom.js";

/**
 * Make `table` show `rows` under the headings `names`.
 *
 * @param rows each an array of texts, as many as there are names
 * @param mono whether to set all but the first column in the machine's own type
 */
export function fillTable(table, names, rows, mono = false) {
  if (!table.tHead) {
    const head = names.map((name) => element("th", { scope: "col" }, name));
    table.append(element("thead", {}, element("tr", {}, ...head)), element("tbody"));
  }
  const cell = (_, column) => element("td", { class: mono && column ? "mono" : null });
  reconcile(
    table.tBodies[0],
    rows,
    (_, index) => index,
    () => element("tr", {}, ...names.map(cell)),
    (row, texts) => texts.forEach((text, column) => setText(row.cells[column], text)),
  );
}
