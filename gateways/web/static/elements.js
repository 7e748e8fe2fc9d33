// Building the page's elements: text is only ever text, icons are drawn from the paths below.

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  archive: "M4 7h16v13H4z M3 4h18v3H3z M10 11h4",
  attach: "M20 11.5 12 19.5a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7L9.7 17.2a1.7 1.7 0 0 1-2.4-2.4L15 7",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12 M18 6L6 18",
  delete: "M4 7h16 M9 7V4h6v3 M6 7l1 13h10l1-13 M10 11v5 M14 11v5",
  down: "M6 9l6 6 6-6",
  download: "M12 4v11 M7 11l5 5 5-5 M5 20h14",
  drafts: "M5 19l1-4L16.5 4.5l3 3L9 18z M14 7l3 3",
  forward: "M14 6l6 6-6 6 M20 12H9a5 5 0 0 0-5 5v1",
  image: "M4 5h16v14H4z M4 16l5-5 4 4 3-3 4 4 M15 9h.01",
  inbox: "M4 5h16v14H4z M4 13h5a3 3 0 0 0 6 0h5",
  label: "M4 5h9l7 7-7 7H4z M8.5 12h.01",
  mail: "M3 6h18v13H3z M3 7l9 7 9-7",
  menu: "M4 7h16 M4 12h16 M4 17h16",
  open: "M3 10l9-6 9 6v10H3z M3 10l9 6 9-6",
  plus: "M12 5v14 M5 12h14",
  reply: "M10 6l-6 6 6 6 M4 12h11a5 5 0 0 1 5 5v1",
  replyAll: "M8 6l-6 6 6 6 M13 6l-6 6 6 6 M7 12h9a5 5 0 0 1 5 5v1",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z M15.5 15.5L20 20",
  sent: "M4 12L20 4l-4 16-4-7z M12 13l8-9",
  signOut: "M14 4h6v16h-6 M4 12h11 M11 8l4 4-4 4",
  snooze: "M12 21a8 8 0 1 0 0-16 8 8 0 0 0 0 16z M12 9v4l3 2 M4 4.5L6.5 3 M20 4.5L17.5 3",
  spam: "M12 4l9 16H3z M12 10v4 M12 17h.01",
  star: "M12 4l2.5 5.2 5.7.8-4.1 4 1 5.7L12 17l-5.1 2.7 1-5.7-4.1-4 5.7-.8z",
  trash: "M4 7h16 M9 7V4h6v3 M6 7l1 13h10l1-13",
};

/** An element with properties (`class`, `dataset`, `on…`, attributes) and children; a string is a text node. */
export function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) set(made, key, value);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

function set(element, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key === "class") element.className = value;
  else if (key === "dataset") Object.assign(element.dataset, value);
  else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else if (key === "value") element.value = value;
  else element.setAttribute(key, value === true ? "" : value);
}

/** A drawing for the eye alone; who cannot see it reads the label of what it stands in. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  return svg;
}

/** A button that shows an icon and says its name. */
export function iconButton(name, label, onclick, properties = {}) {
  const { class: more, ...others } = properties;
  return el("button", { type: "button", class: `icon-button ${more ?? ""}`, "aria-label": label, title: label, onclick, ...others }, icon(name));
}

/** Makes the children of `parent` show `items` in their order; what stays keeps its element, so also its focus. */
export function showKeyed(parent, items, { key, create, update }) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const id = String(key(item));
    let child = before.get(id);
    before.delete(id);
    if (!child) {
      child = create(item);
      child.dataset.key = id;
    }
    update?.(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const gone of before.values()) gone.remove();
}

/** Tells those who listen to the page rather than look at it. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}
