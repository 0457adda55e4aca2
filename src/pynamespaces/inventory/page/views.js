// The six views: what is listed, in which columns.

function once(make) {
  let made = null;
  return () => (made ??= make());
}

const ownersTree = once(() => {
  const spaces = [...model.spaces.values()];
  const users = spaces.filter(({ type }) => type === "user");
  const owned = spaces.filter((space) => space.type !== "user" && space.record);
  const groups = new Map();
  for (const space of owned) {
    const key = groupKey(space);
    if (!groups.has(key)) groups.set(key, newGroup(key, space.owner));
    const { many } = groups.get(key);
    many.set(space.type, (many.get(space.type) ?? 0) + 1);
  }
  return grow([...groups.values(), ...users, ...owned], (item) => {
    if (item.kind === "group") return item.owner;
    return item.type === "user" ? item.parent : groups.get(groupKey(item));
  });
});

function groupKey({ owner }) {
  return owner ? `owned:${owner.key}` : "owned";
}

function newGroup(key, owner) {
  return { kind: "group", key, owner, many: new Map() };
}

const pidsTree = once(() =>
  grow([...model.spaces.values()].filter(({ type }) => type === "pid"),
    ({ parent }) => parent));

const processesTree = once(() =>
  grow(model.processes.values(), ({ ppid }) => model.processes.get(ppid)));

function treeView(facets) {
  const toggled = new Set();
  const isOpen = ({ item }) => toggled.has(item.key) === facets.folded(item);
  return {
    tree: true,
    rows: (wanted) => flatten(facets.places().roots, isOpen, facets.match(wanted)),
    setOpen: ({ item }, open) =>
      toggled[open === facets.folded(item) ? "add" : "delete"](item.key),
    // Opens what is above an item; says whether that changed anything.
    uncover(item) {
      let changed = false;
      for (let at = facets.places().places.get(item)?.parent; at; at = at.parent) {
        changed ||= !isOpen(at);
        this.setOpen(at, true);
      }
      return changed;
    },
    ...facets,
  };
}

function narrowed(match, extra) {
  if (!extra) return match;
  return match ? (item) => extra(item) && match(item) : extra;
}

const LEADER = {
  title: "First process", name: "leader",
  cell: ({ leader }) => leader && processLink(leader, { tabindex: -1 }),
  sort: ({ leader }) => leader?.name.toLowerCase() ?? "\uffff",
};

const MANY = {
  title: "Processes", name: "many",
  cell: ({ processes }) => NUMBERS.format(processes.length),
  sort: ({ processes }) => processes.length,
};

const namespacesView = {
  id: "namespaces", title: "Namespaces", sorted: { column: "space", down: false },
  columns: [
    { title: "Namespace", name: "space", sort: ({ key }) => key,
      cell: (space) => spaceLink(space, { class: "first" }) },
    MANY, LEADER,
    { title: "Also kept by", name: "kept", sort: ({ record }) => keepers(record).join(),
      cell: ({ record }) => make("span",
        { class: "muted", title: keepers(record).join(", ") }, keepers(record).join(", ")) },
    { title: "Owner", name: "owner", sort: ({ owner }) => owner?.ino ?? 0,
      cell: ({ owner }) => owner && spaceLink(owner, { tabindex: -1 }) },
  ],
  items: once(() => [...model.spaces.values()].filter(({ record }) => record)),
  chips: (items) => [["", "All", items.length],
    ...TYPES.map((type) => [type, type, items.filter((item) => item.type === type).length]),
    ["empty", "Without processes", items.filter(isEmpty).length],
  ].filter(([value, , many]) => many || value === state.only),
  rows(wanted) {
    const { only } = wanted;
    const extra = only === "empty" ? isEmpty : only && (({ type }) => type === only);
    const match = narrowed(wanted.match, extra);
    const found = match ? this.items().filter(match) : this.items();
    const rows = sortRows(this, found).map((item) => ({ item, depth: 0, open: null }));
    return this.sorted.column === "space" ? inGroups(rows) : rows;
  },
  empty: () => "No namespace matches.",
};

function isEmpty({ kind, processes }) {
  return kind === "namespace" && processes.length === 0;
}

function inGroups(rows) {
  return [...byType(rows)].flatMap(([group, members]) =>
    [{ group, many: NUMBERS.format(members.length) }, ...members]);
}

function byType(rows) {
  const groups = new Map();
  for (const row of rows) {
    const { type } = row.item;
    if (!groups.has(type)) groups.set(type, []);
    groups.get(type).push(row);
  }
  return groups;
}

const processesView = treeView({
  id: "processes", title: "Processes", places: processesTree,
  columns: [
    { title: "Process", name: "process",
      cell: (process) => processLink(process, { class: "first" }) },
    { title: "User", name: "user", cell: ({ uid }) => uid },
    { title: "Isolated in", name: "apart", cell: (process) => badges(isolatedIn(process)) },
    { title: "Container", name: "container",
      cell: ({ container }) => container && containerLink(container, { tabindex: -1 }) },
    { title: "Command", name: "command",
      cell: (process) => make("code", null, foreign(commandOf(process), 300)) },
  ],
  items: once(() => [...model.processes.values()]),
  chips: (items) => [
    ["", "All", items.length],
    ["apart", "Isolated", items.filter(isApart).length],
    ["contained", "In containers", items.filter(isContained).length],
  ].filter(([value, , many]) => many || value === state.only),
  match: ({ match, only }) =>
    narrowed(match, { apart: isApart, contained: isContained }[only]),
  folded: ({ pid }) => pid === 2,
  empty: () => "No process matches.",
});

function isApart(process) {
  return isolatedIn(process).length > 0;
}

function isContained({ container }) {
  return container !== null;
}

const ownersView = treeView({
  id: "owners", title: "Owners", places: ownersTree,
  columns: [
    { title: "User namespace, and what it owns", name: "owned", cell: ownedCell },
    { title: "Made by", name: "user",
      cell: ({ type, record }) => type === "user" && userOf(record?.owner_uid) },
    { ...MANY, cell: (item) => (item.kind === "group" ? null : MANY.cell(item)) },
    LEADER,
  ],
  items: once(() => [...model.spaces.values()].filter(({ type }) => type === "user")),
  match: ({ match }) => match,
  folded: ({ kind }) => kind === "group",
  empty: () => "No user namespace matches.",
});

function ownedCell(item) {
  if (item.kind !== "group") return spaceLink(item, { class: "first" });
  const owned = [...item.many].map(([type, many]) =>
    [" ", make("span", { class: "badge", "data-type": type }, `${type} ${NUMBERS.format(many)}`)]);
  const title = item.owner ? "owns" : "owner not known";
  return make("button", { type: "button", class: "first plain" }, muted(title), owned);
}

function userOf(uid) {
  if (uid === null || uid === undefined) return null;
  return uid === 0 ? "root" : `uid ${uid}`;
}

const pidsView = treeView({
  id: "pids", title: "PID tree", places: pidsTree,
  columns: [
    { title: "PID namespace", name: "space",
      cell: (space) => spaceLink(space, { class: "first" }) },
    MANY, LEADER,
    { title: "Container", name: "container", cell: (space) =>
      containersOf(space).slice(0, 3).map((one) => containerLink(one, { tabindex: -1 })) },
    { title: "Owner", name: "owner",
      cell: ({ owner }) => owner && spaceLink(owner, { tabindex: -1 }) },
  ],
  items: once(() => [...model.spaces.values()].filter(({ type }) => type === "pid")),
  match: ({ match }) => match,
  folded: () => false,
  empty: () => "No PID namespace matches.",
});

const containersView = {
  id: "containers", title: "Containers", sorted: { column: "container", down: false },
  columns: [
    { title: "Container", name: "container", cell: (one) =>
      containerLink(one, { class: "first" }), sort: containerTitle },
    { title: "Engine", name: "engine", sort: ({ engine }) => engine,
      cell: ({ engine }) => foreign(engine) },
    MANY,
    { title: "First process", name: "leader", sort: ({ processes }) => processes[0].pid,
      cell: ({ processes }) => processLink(processes[0], { tabindex: -1 }) },
    { title: "Isolated in", name: "apart",
      cell: ({ processes }) => badges(isolatedIn(processes[0])) },
    { title: "Id", name: "id", sort: ({ id }) => id,
      cell: ({ id }) => make("code", null, foreign(id)) },
  ],
  items: once(() => [...model.containers.values()]),
  rows(wanted) {
    const found = this.items().filter(wanted.match ?? (() => true));
    return sortRows(this, found).map((item) => ({ item, depth: 0, open: null }));
  },
  empty: () => (model.containers.size ? "No container matches." : "No container found."),
};

const unreadableView = {
  id: "unreadable", title: "Not readable",
  columns: [
    { title: "What", name: "what", cell: ({ what }) => make("code", null, foreign(what)) },
    { title: "Why not", name: "reason", cell: ({ reason }) => foreign(reason, 500) },
  ],
  items: () => model.unreadable,
  rows(wanted) {
    const found = this.items().filter(wanted.match ?? (() => true));
    return found.map((item) => ({ item, depth: 0, open: null }));
  },
  empty: () =>
    model.unreadable.length ? "Nothing matches." : "Everything could be read.",
};

const VIEWS = new Map([
  namespacesView, processesView, ownersView, pidsView, containersView, unreadableView,
].map((view) => [view.id, view]));
