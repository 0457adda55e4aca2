// The list: a table whose rows are drawn as they come into sight.

const CHUNK = 150;
const list = { view: null, rows: [], drawn: 0, elements: new Map(), at: null };

function drawTable(view, rows) {
  const table = byId("table");
  Object.assign(list, { view, rows, drawn: 0, at: null });
  list.elements.clear();
  table.className = view.id;
  table.removeAttribute("role");
  if (view.tree) table.setAttribute("role", "treegrid");
  const caption = make("caption", { id: "caption" }, view.title);
  fill(table, caption, make("thead", null, headRow(view)), make("tbody"));
  byId("empty").hidden = rows.length > 0;
  fill(byId("empty"), view.empty());
  byId("scroll").scrollTop = 0;
  drawMore();
  watchEnd();
}

function headRow(view) {
  return make("tr", null, view.columns.map((column) => headCell(view, column)));
}

function headCell(view, column) {
  const attributes = { scope: "col", class: column.name };
  if (!column.sort) return make("th", attributes, column.title);
  const sorted = view.sorted?.column === column.name ? view.sorted : null;
  const direction = sorted?.down ? "descending" : "ascending";
  const button = make("button", { type: "button" }, column.title);
  button.addEventListener("click", () => sortBy(view, column.name));
  return make("th", { ...attributes, "aria-sort": sorted && direction }, button);
}

function sortBy(view, name) {
  const { sorted } = view;
  const again = sorted?.column === name;
  view.sorted = { column: name, down: again ? !sorted.down : name === "many" };
  show({ anew: true });
  byId("table").querySelector(`th.${name} button`).focus();
}

function sortRows(view, items) {
  const column = view.columns.find(({ name }) => name === view.sorted.column);
  const keyed = items.map((item) => [column.sort(item), item]);
  const sign = view.sorted.down ? -1 : 1;
  keyed.sort(([one], [two]) => sign * compare(one, two));
  return keyed.map(([, item]) => item);
}

function compare(one, two) {
  if (typeof one === "number") return one - two;
  return one < two ? -1 : Number(one > two);
}

function drawMore(until = list.drawn + CHUNK) {
  const body = byId("table").tBodies[0];
  const end = Math.min(until, list.rows.length);
  const made = document.createDocumentFragment();
  for (; list.drawn < end; list.drawn += 1) {
    const row = list.rows[list.drawn];
    const element = row.group ? groupRow(row) : itemRow(row);
    element.dataset.index = list.drawn;
    made.append(element);
  }
  body.append(made);
}

function groupRow({ group, many }) {
  const title = [badge(group), `${TITLES[group]}s`, make("span", { class: "many" }, many)];
  // One cell across all would bring the columns back that are hidden where it is narrow.
  const others = list.view.columns.slice(1);
  return make("tr", { class: "group" }, make("th", { scope: "rowgroup" }, title),
    others.map(({ name }) => make("td", { class: name })));
}

function itemRow(row) {
  const { item, depth, open, dim } = row;
  const element = make("tr", {
    class: item.kind === "group" ? "owns" : dim && "dim",
    "aria-level": list.view.tree ? depth + 1 : null,
    "aria-expanded": open === null ? null : String(open),
    "data-key": item.key,
  });
  const [first, ...others] = list.view.columns;
  element.append(firstCell(row, first));
  element.append(...others.map((column) => bodyCell(item, column)));
  if (item.key) list.elements.set(item.key, element);
  if (item.key && item.key === state.item) mark(element);
  // Tab leads to the one that is selected, or to the first.
  const link = element.querySelector(".first");
  if (link) link.tabIndex = list.elements.size === 1 ? 0 : -1;
  return element;
}

function bodyCell(item, column) {
  return make("td", { class: column.name }, column.cell(item));
}

function firstCell({ item, depth, open }, column) {
  const cell = bodyCell(item, column);
  if (!list.view.tree) return cell;
  cell.style.setProperty("--depth", Math.min(depth, 16));
  const label = open ? "Fold" : "Unfold";
  const attributes = { type: "button", class: "fold", tabindex: -1, "aria-label": label };
  cell.prepend(open === null ? make("span", { class: "fold" }) : make("button", attributes));
  return cell;
}

// What is above the row stays as it is.
function fold(index, open) {
  const row = list.rows[index];
  list.view.setOpen(row.place, open);
  list.rows = list.view.rows(state);
  const body = byId("table").tBodies[0];
  while (body.rows.length > index) body.lastElementChild.remove();
  list.drawn = index;
  drawMore();
  watchEnd();
  focusRow(body.rows[index]);
}

function mark(element) {
  list.at?.querySelector(".first")?.removeAttribute("aria-current");
  list.at?.classList.remove("selected");
  list.at = element;
  element?.classList.add("selected");
  element?.querySelector(".first")?.setAttribute("aria-current", "true");
}

function reveal(key) {
  const index = list.rows.findIndex(({ item }) => item?.key && item.key === key);
  if (index < 0) return mark(null);
  if (index >= list.drawn) drawMore(index + CHUNK);
  mark(list.elements.get(key));
  const { top, bottom } = list.at.getBoundingClientRect();
  const sight = byId("scroll").getBoundingClientRect();
  const seen = top > sight.top + 40 && bottom < sight.bottom;
  if (!seen) list.at.scrollIntoView({ block: "center" });
  return rove(list.at);
}

// One row can be reached by Tab, the others from there by arrows.
function rove(element) {
  const body = byId("table").tBodies[0];
  for (const link of body.querySelectorAll(".first[tabindex='0']")) link.tabIndex = -1;
  const link = element?.querySelector(".first");
  if (link) link.tabIndex = 0;
  return link;
}

function focusRow(element) {
  rove(element)?.focus();
}

function step(element, by) {
  let index = Number(element.dataset.index) + by;
  while (list.rows[index]?.group) index += index === 0 ? 1 : Math.sign(by);
  if (index < 0 || index >= list.rows.length) return;
  if (index >= list.drawn) drawMore(index + CHUNK);
  focusRow(byId("table").tBodies[0].rows[index]);
}

const watcher = new IntersectionObserver(([{ isIntersecting }]) => {
  if (!isIntersecting || list.drawn >= list.rows.length) return;
  drawMore();
  watchEnd();
});

// Observed anew, it tells again, though it may never have left.
function watchEnd() {
  watcher.disconnect();
  if (list.drawn < list.rows.length) watcher.observe(byId("more"));
}

function onListKey(event) {
  const element = event.target.closest("tbody tr");
  if (!element || event.ctrlKey || event.altKey || event.metaKey) return;
  const index = Number(element.dataset.index);
  const { open, depth } = list.rows[index];
  const moves = {
    ArrowDown: () => step(element, 1),
    ArrowUp: () => step(element, -1),
    Home: () => step(element, -index),
    End: () => step(element, list.rows.length - 1 - index),
    ArrowRight: () => (open === false ? fold(index, true) : step(element, 1)),
    ArrowLeft: () => (open ? fold(index, false) : stepOut(element, index, depth)),
  };
  const tree = list.view.tree || !["ArrowLeft", "ArrowRight"].includes(event.key);
  if (!Object.hasOwn(moves, event.key) || !tree) return;
  event.preventDefault();
  moves[event.key]();
}

function stepOut(element, index, depth) {
  for (let at = index - 1; at >= 0; at -= 1) {
    if (list.rows[at].depth < depth) return step(element, at - index);
  }
  return undefined;
}

function onListClick(event) {
  const element = event.target.closest("tbody tr");
  if (!element) return;
  const index = Number(element.dataset.index);
  if (event.target.closest("button")) {
    if (list.rows[index].open !== null) fold(index, !list.rows[index].open);
  } else if (!event.target.closest("a") && getSelection().isCollapsed) {
    element.querySelector(".first")?.click();
  }
}
