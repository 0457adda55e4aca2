// What is known of one item, with links to all that it has to do with.

const KINDS = {
  namespace: spaceDetails, process: processDetails, container: containerDetails,
};

function detailsOf(key) {
  const item = findItem(key);
  if (item) return KINDS[item.kind](item);
  return [heading("Not found", foreign(key)),
    make("p", { class: "note" }, "It is not in this inventory.")];
}

function findItem(key) {
  if (key.startsWith("pid:") && !key.startsWith("pid:[")) {
    return model.processes.get(Number(key.slice(4)));
  }
  return model.spaces.get(key) ?? model.containers.get(key);
}

function heading(kicker, ...title) {
  return make("header", null, make("p", { class: "kicker" }, kicker),
    make("h2", { tabindex: -1 }, title));
}

function spaceDetails(space) {
  const { record } = space;
  const title = [badge(space.type), " ", make("span", { class: "ino" }, space.ino)];
  if (space.name !== null) title.push(" ", make("strong", null, foreign(space.name)));
  return [
    heading([TITLES[space.type], isCommon(space) && common()], title),
    spaceChain(space),
    record ? facts(spaceFacts(space, record))
      : make("p", { class: "note" }, "Others refer to it; it was not looked at itself."),
    membersOf(space), ownedBy(space), below(space), record && keptBy(space, record),
    space.pinned.length ? section("Namespaces mounted in it", space.pinned.length,
      longList(space.pinned, ({ space: one, path }) =>
        make("li", null, spaceLink(one), " ", make("code", null, foreign(path))))) : null,
  ];
}

function common() {
  const title = model.processes.get(1)?.spaces.size ? "of process 1" : "the most usual";
  return [" ", make("span", { class: "tag" }, title)];
}

function spaceChain(space) {
  const tree = { user: ownersTree, pid: pidsTree }[space.type];
  if (!tree) return null;
  return chain(pathTo(tree().places.get(space)), (one) => spaceLink(one), space.ino);
}

function spaceFacts(space, record) {
  const { owner, parent, leader } = space;
  return [
    ["Id", make("code", null, space.key)],
    ["Unique id", space.unique],
    [space.type === "user" ? "Parent" : "Owner", owner ? spaceLink(owner) : muted("not known")],
    ["Parent", space.type === "pid" && parent ? spaceLink(parent) : null],
    [space.type === "user" ? "Made by" : "Owner made by", userOf(record.owner_uid)],
    ["First process", leader && processLink(leader)],
    ["Containers", linked(containersOf(space), containerLink)],
  ];
}

function linked(items, draw, most = 8) {
  if (!items.length) return null;
  const told = items.slice(0, most).flatMap((item, at) => [at ? ", " : null, draw(item)]);
  return items.length > most ? [told, ` and ${count(items.length - most, "other")}`] : told;
}

function processItem(process) {
  if (typeof process === "number") return make("li", null, muted(`process ${process}`));
  return make("li", null, processLink(process), " ",
    make("code", null, foreign(commandOf(process), 160)));
}

function membersOf(space) {
  const { processes } = space;
  if (!processes.length) {
    return section("Processes", 0, make("p", { class: "note" }, "No process is in it."));
  }
  const all = processes.length > 20
    ? make("p", null, make("a", { href: `#processes?q=${space.key}` }, "See them as a tree"))
    : null;
  return section("Processes", processes.length, all,
    longList(processes, processItem, { class: "items" }));
}

function ownedBy({ owned }) {
  const others = owned.filter(({ type }) => type !== "user");
  if (!others.length) return null;
  return section("Owns", others.length,
    longList(others, (one) => make("li", null, spaceLink(one)), { class: "grid" }));
}

function below(space) {
  if (!space.below.length) return null;
  return section("Made in it", space.below.length,
    longList(space.below, (one) => make("li", null, spaceLink(one)), { class: "grid" }));
}

function keptBy(space, record) {
  const groups = [
    ["Threads of processes that are elsewhere", record.threads, (tid) => `thread ${tid}`],
    ["Their children are born in it", record.for_children, taskLink],
    ["Open descriptors", record.descriptors, holderLink],
    ["Sockets of processes elsewhere", record.sockets, holderLink],
    ["Mounts", record.pins, (pin) => [make("code", null, foreign(pin.path)), " in ",
      spaceLink(spaceOf(model, "mnt", pin.mnt))]],
  ];
  return groups.filter(([, list]) => list.length).map(([title, list, draw]) =>
    section(title, list.length, longList(list, (one) => make("li", null, draw(one)))));
}

function taskLink(pid) {
  const process = model.processes.get(pid);
  return process ? processLink(process) : `thread ${pid}`;
}

function holderLink({ pid, fd }) {
  return [taskLink(pid), " ", muted(`descriptor ${fd}`)];
}

function processDetails(process) {
  const place = processesTree().places.get(process);
  const command = commandOf(process);
  return [
    heading(["Process", process.container && " in a container"],
      foreign(process.name || "?"), " ", make("span", { class: "pid" }, process.pid)),
    chain(pathTo(place), (one) => processLink(one), process.pid),
    command ? make("pre", null, make("code", null, foreign(command, 20000))) : null,
    facts(processFacts(process)),
    section("Namespaces", null, spacesTable(process, place)),
    process.holds.length ? section("Namespaces held open", process.holds.length,
      longList(process.holds, heldItem)) : null,
    place.children.length ? section("Children", place.children.length,
      longList(place.children.map(({ item }) => item), processItem, { class: "items" }))
      : null,
  ];
}

function heldItem({ space, fd, what }) {
  return make("li", null, spaceLink(space), " ",
    muted(what === "socket" ? `by the socket ${fd}` : `descriptor ${fd}`));
}

function processFacts(process) {
  const parent = model.processes.get(process.ppid);
  const nested = process.pids.length > 1;
  return [
    ["Parent", parent ? processLink(parent) : process.ppid || muted("none to be seen")],
    ["User", userOf(process.uid)],
    ["Threads", process.threads],
    ["Started", process.started
      ? make("span", { title: `${process.started} clock ticks` },
        `${uptime(process.started)} after boot`) : null],
    ["Ids, outside in", nested ? process.pids.join(" \u2192 ") : null],
    ["Container", process.container && [containerLink(process.container), " ",
      muted(foreign(process.container.engine))]],
  ];
}

function spacesTable(process, place) {
  if (!process.spaces.size) {
    return make("p", { class: "note" },
      isKernelThread(process) ? "None were told." : "They could not be read.");
  }
  const head = ["Namespace", "Processes", "Origin"];
  const rows = [...process.spaces.values()].map((space) => make("tr", null,
    make("th", { scope: "row" }, spaceLink(space)),
    make("td", { class: "many" }, NUMBERS.format(space.processes.length)),
    make("td", null, compared(space, place.parent?.item))));
  return make("table", { class: "spaces" },
    make("thead", null, make("tr", null, head.map((title) =>
      make("th", { scope: "col" }, title)))),
    make("tbody", null, rows));
}

function compared(space, parent) {
  const theirs = parent?.spaces.get(space.type);
  if (!theirs) return muted("\u2013");
  return theirs === space ? muted("inherited") : make("span", { class: "tag" }, "its own");
}

function containerDetails(container) {
  const { processes, engine, id, name } = container;
  const spaces = new Set(processes.flatMap((one) => [...one.spaces.values()]));
  return [
    heading(["Container of ", foreign(engine)], foreign(containerTitle(container))),
    facts([["Id", make("code", null, foreign(id))], ["Name", name && foreign(name)],
      ["Engine", foreign(engine)]]),
    section("Namespaces", spaces.size, make("ul", { class: "grid" }, [...spaces].map(
      (space) => make("li", null, spaceLink(space), isCommon(space) && common())))),
    section("Processes", processes.length,
      longList(processes, processItem, { class: "items" })),
  ];
}

function overview() {
  const spaces = namespacesView.items();
  const most = Math.max(1, ...TYPES.map((type) => spaces.filter(isOf(type)).length));
  return [
    heading("Overview", "What there is"),
    make("table", { class: "overview" }, make("tbody", null,
      TYPES.map((type) => overviewRow(type, spaces.filter(isOf(type)), most)))),
    model.unreadable.length ? make("p", { class: "note" }, "More may be there: ",
      make("a", { href: "#unreadable" },
        count(model.unreadable.length, "thing")), " could not be read.") : null,
    make("p", { class: "keys" }, [["/", "search"], ["\u2191 \u2193", "move"],
      ["\u2190 \u2192", "fold, unfold"], ["Enter", "open"], ["Esc", "back to the list"]]
      .map(([key, does]) => make("span", null, make("kbd", null, key), ` ${does}`))),
  ];
}

function isOf(type) {
  return (space) => space.type === type;
}

function overviewRow(type, spaces, most) {
  const bar = make("span", { class: "bar", "data-type": type });
  bar.style.setProperty("--part", spaces.length / most);
  return make("tr", null,
    make("th", { scope: "row" }, make("a", { href: `#namespaces?only=${type}` },
      badge(type), " ", TITLES[type])),
    make("td", { class: "many" }, NUMBERS.format(spaces.length)),
    make("td", { class: "bars" }, spaces.length > 0 && bar));
}
