// Where one is, and how one gets there: the address says what is selected, or which view
// is shown; the browser's history keeps the rest.

const model = link(JSON.parse(byId("inventory").textContent));
const state = { view: "namespaces", item: null, q: "", only: "", match: null };
const drawn = { list: null, item: undefined };

function arrive() {
  const address = readAddress(location.hash.slice(1));
  Object.assign(state, address, history.state ?? {}, { item: address.item });
  state.match = matcher(state.q);
  if (byId("search").value !== state.q) byId("search").value = state.q;
  keep();
  show({ arriving: true });
}

function keep() {
  const { view, q, only } = state;
  history.replaceState({ view, q, only }, "");
}

function readAddress(text) {
  const [name, query] = text.split("?");
  const view = name || "namespaces";
  if (!VIEWS.has(view)) return { item: itemAt(text), view: homeOf(itemAt(text)) };
  const asked = new URLSearchParams(query);
  const kept = view === state.view ? state.only : "";
  return {
    item: null, view,
    q: asked.get("q") ?? state.q,
    only: query === undefined ? kept : asked.get("only") ?? "",
  };
}

// Who passes an address on may have its brackets escaped.
function itemAt(text) {
  if (findItem(text)) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// The page stays in the view that it is in, but where it is opened with an item.
function homeOf(key) {
  if (drawn.list !== null) return state.view;
  return { process: "processes", container: "containers" }[findItem(key)?.kind]
    ?? "namespaces";
}

function show({ anew = false, arriving = false } = {}) {
  const view = VIEWS.get(state.view);
  const item = state.item === null ? null : findItem(state.item);
  const uncovered = arriving && item && view.uncover ? view.uncover(item) : false;
  const sight = JSON.stringify([state.view, state.q, state.only]);
  if (anew || uncovered || drawn.list !== sight) {
    drawn.list = sight;
    drawViews();
    drawFilters(view);
    drawTable(view, view.rows(state));
  }
  if (arriving) reveal(state.item);
  drawDetails();
}

function drawViews() {
  const links = [...VIEWS.values()].map((view) => {
    const items = view.items();
    const many = state.match ? items.filter(state.match).length : items.length;
    const current = view.id === state.view ? "page" : null;
    return make("a", { href: `#${view.id}`, "aria-current": current,
      class: many ? null : "none" },
    view.title, " ", make("span", { class: "many" }, NUMBERS.format(many)));
  });
  fill(byId("views"), links);
  byId("views").querySelector("[aria-current]").scrollIntoView({ block: "nearest" });
  const { length } = VIEWS.get(state.view).items().filter(state.match ?? (() => true));
  fill(byId("status"), state.match ? `${count(length, "match", "matches")}` : "");
}

function drawFilters(view) {
  const found = view.chips && view.items().filter(state.match ?? (() => true));
  const chips = view.chips ? view.chips(found) : [];
  fill(byId("filters"), chips.map(([value, title, many]) => {
    const button = make("button", { type: "button", class: "chip",
      "aria-pressed": String(state.only === value),
      "data-type": TYPES.includes(value) ? value : null },
    title, " ", make("span", { class: "many" }, NUMBERS.format(many)));
    button.addEventListener("click", () => narrow(value));
    return button;
  }));
}

function narrow(value) {
  state.only = state.only === value ? "" : value;
  keep();
  show();
  byId("filters").querySelector("[aria-pressed='true']")?.focus();
}

function drawDetails() {
  if (drawn.item === state.item) return;
  const details = byId("details");
  const inside = details.contains(document.activeElement);
  const first = drawn.item === undefined;
  drawn.item = state.item;
  document.body.classList.toggle("chosen", state.item !== null);
  const back = make("a", { class: "back", href: `#${state.view}` }, "\u2190 Back to the list");
  const content = state.item === null ? overview() : detailsOf(state.item);
  fill(details, state.item === null ? null : back, content);
  details.scrollTop = 0;
  const title = state.item === null ? null : details.querySelector("h2").textContent;
  document.title = title ? `${title} \u2013 Namespaces` : "Namespaces";
  // Who followed a link in here, or sees nothing but this, goes on from its heading.
  const alone = getComputedStyle(byId("list")).display === "none";
  if (!first && (inside || alone)) details.querySelector("h2").focus();
  if (alone) scrollTo(0, 0);
}

function onSearch() {
  state.q = byId("search").value;
  state.match = matcher(state.q);
  keep();
  show();
}

function onSearchKey(event) {
  if (event.key === "Escape") {
    byId("search").value = "";
    onSearch();
  } else if (event.key === "ArrowDown") {
    event.preventDefault();
    focusRow(byId("table").querySelector("tbody tr:not(.group)"));
  } else if (event.key === "Enter") {
    const best = bestFor(state.q.trim());
    if (best) location.hash = best.key;
  }
}

// An exact number or name goes before what is merely first.
function bestFor(text) {
  if (findItem(text)) return findItem(text);
  const process = /^\d+$/.test(text) ? model.processes.get(Number(text)) : null;
  if (process) return process;
  const exact = ({ ino, name }) => String(ino) === text || (name && name === text);
  const shown = list.rows.filter(({ item, dim }) => item?.key && !dim);
  return [...model.spaces.values()].find(exact) ?? shown[0]?.item;
}

function onKey(event) {
  const typing = event.target.matches("input");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    byId("search").select();
  } else if (event.key === "Escape" && byId("details").contains(event.target)) {
    if (getComputedStyle(byId("list")).display === "none") location.hash = state.view;
    focusRow(list.at ?? byId("table").querySelector("tbody tr:not(.group)"));
  }
}

function drawCounts() {
  const spaces = namespacesView.items();
  const parts = [
    count(spaces.length, "namespace"),
    count(model.processes.size, "process", "processes"),
    count(spaces.filter(isOf("user")).length, "user namespace"),
    count(model.containers.size, "container"),
  ];
  fill(byId("counts"), parts.map((part) => make("span", null, part)));
}

function start() {
  byId("search").addEventListener("input", onSearch);
  byId("search").addEventListener("keydown", onSearchKey);
  byId("scroll").addEventListener("click", onListClick);
  byId("scroll").addEventListener("keydown", onListKey);
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", arrive);
  // Paper has no scrolling; but no book is wanted.
  addEventListener("beforeprint", () => drawMore(3000));
  drawCounts();
  arrive();
}

start();
