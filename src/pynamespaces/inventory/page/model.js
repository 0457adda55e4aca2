// The inventory, with everything linked both ways.

function link(data) {
  const model = {
    spaces: new Map(),
    processes: new Map(),
    containers: new Map(),
    unreadable: data.unreadable.map(unreadableOf),
    common: new Map(),
  };
  for (const record of data.namespaces) addSpace(model, record);
  for (const other of data.others) spaceOf(model, other.type, other);
  for (const record of data.processes) addProcess(model, record);
  for (const space of [...model.spaces.values()]) linkSpace(model, space);
  findCommon(model);
  return model;
}

function unreadableOf({ what, reason }) {
  return { kind: "unreadable", key: null, what, reason };
}

// Inventories that no scan has made may have several devices.
function keyOf(type, { ns, dev }) {
  return `${type}:[${ns}]${dev === undefined ? "" : `@${dev}`}`;
}

function addSpace(model, record) {
  const { name } = record;
  Object.assign(spaceOf(model, record.type, record), { record, name });
}

function newSpace(key, type, { ns, unique }) {
  return {
    kind: "namespace", key, type, ino: ns, unique: unique ?? null,
    record: null, name: null, owner: null, parent: null, leader: null,
    processes: [], owned: [], below: [], pinned: [],
  };
}

// What others refer to need not be among what was scanned.
function spaceOf(model, type, reference) {
  if (reference === null || reference === undefined) return null;
  const identity = typeof reference === "number" ? { ns: reference } : reference;
  const key = keyOf(type, identity);
  if (!model.spaces.has(key)) model.spaces.set(key, newSpace(key, type, identity));
  return model.spaces.get(key);
}

function addProcess(model, record) {
  const process = {
    ...record, kind: "process", key: `pid:${record.pid}`,
    spaces: new Map(), container: null, holds: [],
  };
  for (const type of TYPES) {
    const space = spaceOf(model, type, record.namespaces[type]);
    if (space === null) continue;
    process.spaces.set(type, space);
    if (space.record === null) space.processes.push(process);
  }
  if (record.container) process.container = containerOf(model, record.container);
  process.container?.processes.push(process);
  model.processes.set(process.pid, process);
}

function containerOf(model, { engine, id, name }) {
  const key = `container:${part(engine)}:${part(id)}`;
  if (!model.containers.has(key)) {
    const made = { kind: "container", key, engine, id, name, processes: [] };
    model.containers.set(key, made);
  }
  return model.containers.get(key);
}

// A lone surrogate cannot stand in an address, and two ids are never to look like one.
function part(text) {
  const escaped = text.replaceAll("\\", "\\\\");
  return encodeURIComponent(
    escaped.replace(LONE, (half) => `\\u${half.charCodeAt(0).toString(16)}`),
  );
}

function linkSpace(model, space) {
  const { record } = space;
  if (record === null) return;
  space.owner = spaceOf(model, "user", record.owner);
  space.parent = spaceOf(model, space.type, record.parent);
  space.owner?.owned.push(space);
  space.parent?.below.push(space);
  space.leader = model.processes.get(record.leader) ?? null;
  space.processes = record.processes.map((pid) => model.processes.get(pid) ?? pid);
  for (const pin of record.pins) {
    spaceOf(model, "mnt", pin.mnt)?.pinned.push({ space, path: pin.path });
  }
  for (const [list, what] of [["descriptors", "open"], ["sockets", "socket"]]) {
    for (const { pid, fd } of record[list]) {
      model.processes.get(pid)?.holds.push({ space, fd, what });
    }
  }
}

// Where most are: with process 1, or where that is hidden, with the most others.
function findCommon(model) {
  const first = model.processes.get(1);
  for (const type of TYPES) {
    const known = first?.spaces.get(type) ?? mostPopulous(model, type);
    if (known) model.common.set(type, known);
  }
}

function mostPopulous(model, type) {
  let found = null;
  for (const space of model.spaces.values()) {
    if (space.type !== type || !space.processes.length) continue;
    if (found === null || space.processes.length > found.processes.length) {
      found = space;
    }
  }
  return found;
}

function isolatedIn(process) {
  return [...process.spaces.values()].filter((space) => !isCommon(space));
}

function isCommon(space) {
  return model.common.get(space.type) === space;
}

function containersOf(space) {
  const found = new Set();
  for (const process of space.processes) {
    if (process.container) found.add(process.container);
  }
  return [...found];
}

function isKernelThread(process) {
  return process.pid === 2 || process.ppid === 2;
}

// What the search looks in, as one line, made when it is first needed.
function hayOf(item) {
  item.hay ??= visible(HAYS[item.kind](item).join(" ")).toLowerCase();
  return item.hay;
}

const HAYS = {
  namespace: (space) => [
    space.key, space.name ?? "", space.unique ?? "",
    ...(space.record?.pins ?? []).map((pin) => pin.path),
    ...(space.leader ? [space.leader.key, space.leader.name] : []),
    ...containersOf(space).flatMap((container) => HAYS.container(container)),
  ],
  process: (process) => [
    process.key, process.name, process.arguments.join(" "),
    ...[...process.spaces.values()].flatMap((space) => [space.key, space.name ?? ""]),
    ...(process.container ? HAYS.container(process.container) : []),
  ],
  container: (container) => [container.engine, container.id, container.name ?? ""],
  unreadable: ({ what, reason }) => [what, reason],
  group: () => [],
};

function matcher(text) {
  const words = visible(text).toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  return (item) => words.every((word) => hasWord(hayOf(item), word));
}

// "pid:1" is not to find 10 and 11.
function hasWord(hay, word) {
  if (!/^pid:\d+$/.test(word)) return hay.includes(word);
  return ` ${hay} `.includes(` ${word} `);
}
