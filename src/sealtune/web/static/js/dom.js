/** Build the page and change it in place. Text only ever goes in as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/** Return the element of the page with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Return a new element; a string among `children` becomes text. */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Return a new SVG element. */
export function shape(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  setAttributes(node, attributes);
  node.append(...children.filter((child) => child != null).map(asNode));
  return node;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

/** Set attributes that changed; null takes one away. A style is set through the object model. */
export function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) node.removeAttribute(name);
    else {
      const text = value === true ? "" : String(value);
      if (node.getAttribute(name) !== text) node.setAttribute(name, text);
    }
  }
}

/** Set the text of `node` if it is another one; untouched text keeps selection and silence. */
export function setText(node, value) {
  const text = String(value ?? "");
  if (node.textContent !== text) node.textContent = text;
}

/** Show or hide `node`. */
export function show(node, visible) {
  if (node.hidden === Boolean(visible)) node.hidden = !visible;
}

/**
 * Make the children of `parent` match `items`, keeping the nodes of those that stay.
 *
 * @param key gives each item a unique string
 * @param create makes the node of a new item
 * @param update brings a node up to date with its item; called for new ones, too
 */
export function reconcile(parent, items, key, create, update) {
  const names = items.map((item, index) => String(key(item, index)));
  const wanted = new Set(names);
  const present = new Map();
  for (const node of [...parent.children]) {
    if (wanted.has(node.dataset.key)) present.set(node.dataset.key, node);
    else node.remove();
  }
  let place = parent.firstElementChild;
  items.forEach((item, index) => {
    let node = present.get(names[index]);
    if (!node) {
      node = create(item, index);
      node.dataset.key = names[index];
    }
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
    update(node, item, index);
  });
}

/** Make `list` (a dl) show `pairs` of term and text; empty texts are left out. */
export function definitions(list, pairs) {
  const kept = pairs.filter(([, text]) => text != null && text !== "");
  reconcile(
    list,
    kept,
    ([term], index) => `${index}:${term}`,
    ([term]) => element("div", {}, element("dt", {}, term), element("dd")),
    (node, [, text]) => setText(node.lastElementChild, text),
  );
}
