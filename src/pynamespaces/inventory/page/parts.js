// Small pieces that lists and details are made of.

function badge(type) {
  return make("span", { class: "badge", "data-type": type }, type);
}

function anchor(item, attributes, ...children) {
  return make("a", { href: `#${item.key}`, ...attributes }, children);
}

function foreign(text, length = 200) {
  return make("bdi", null, shorten(text, length));
}

function spaceLink(space, attributes) {
  const name = space.name === null ? null : make("strong", null, foreign(space.name));
  const number = make("span", { class: "ino" }, space.ino);
  const title = `${space.key}${space.name === null ? "" : ` ${space.name}`}`;
  return anchor(
    space, { title, ...attributes }, badge(space.type), " ", number, name && " ", name,
  );
}

function processLink(process, attributes) {
  const pid = make("span", { class: "pid" }, process.pid);
  return anchor(process, attributes, foreign(process.name || "?"), " ", pid);
}

function containerTitle(container) {
  return container.name || shorten(container.id, 12) || "?";
}

function containerLink(container, attributes) {
  const title = `${container.engine} ${container.id}`;
  return anchor(container, { title, ...attributes }, foreign(containerTitle(container)));
}

function badges(spaces) {
  return spaces.map((space) =>
    anchor(space, { class: "badge", "data-type": space.type, title: space.key, tabindex: -1 },
      space.type === "cgroup" ? "cg" : space.type),
  );
}

function muted(...children) {
  return make("span", { class: "muted" }, children);
}

// What keeps it, other than processes.
function keepers(record) {
  if (record === null) return [];
  return [
    [record.threads, "thread"],
    [record.for_children, "for children", "for children"],
    [record.descriptors, "fd"],
    [record.sockets, "socket"],
    [record.pins, "mount"],
  ].filter(([list]) => list.length).map(([list, ...noun]) => count(list.length, ...noun));
}

// The first of many, and a button for more.
function longList(items, draw, attributes) {
  const element = make("ul", attributes);
  const button = make("button", { type: "button", class: "more" });
  const box = make("div", null, element, button);
  let shown = 0;
  const more = (many) => {
    element.append(...items.slice(shown, shown + many).map(draw));
    shown = Math.min(items.length, shown + many);
    button.hidden = shown === items.length;
    fill(button, `Show more (${NUMBERS.format(items.length - shown)} left)`);
  };
  button.addEventListener("click", () => more(500));
  more(50);
  return box;
}

function section(title, many, ...children) {
  const heading = make("h3", null, title, many === null ? null : " ");
  if (many !== null) heading.append(make("span", { class: "many" }, NUMBERS.format(many)));
  return make("section", null, heading, children);
}

function facts(pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined);
  return make("dl", null, told.map(([name, value]) =>
    make("div", null, make("dt", null, name), make("dd", null, value))));
}

function chain(items, draw, last) {
  if (!items.length) return null;
  const steps = items.map((item) => make("li", null, draw(item)));
  return make("nav", { "aria-label": "Above it", class: "chain" },
    make("ol", null, steps, make("li", { "aria-current": "true" }, last)));
}
