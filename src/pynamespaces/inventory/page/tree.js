// Trees, without recursion: they may be deep. And a process can be its grandparent's
// grandparent, if ids were given anew while it was looked.

function grow(items, parentOf) {
  const places = new Map();
  for (const item of items) places.set(item, { item, parent: null, children: [] });
  const roots = [];
  for (const [item, place] of places) {
    const parent = places.get(parentOf(item));
    if (parent && parent !== place) {
      place.parent = parent;
      parent.children.push(place);
    } else {
      roots.push(place);
    }
  }
  return { roots: [...roots, ...cutCircles(roots, places)], places };
}

function cutCircles(roots, places) {
  const reached = new Set(roots.flatMap(everyBelow));
  const found = [];
  for (const place of places.values()) {
    if (reached.has(place)) continue;
    const { parent } = place;
    parent.children = parent.children.filter((child) => child !== place);
    place.parent = null;
    for (const below of everyBelow(place)) reached.add(below);
    found.push(place);
  }
  return found;
}

function everyBelow(root) {
  const found = [root];
  for (const place of found) {
    for (const child of place.children) found.push(child);
  }
  return found;
}

function pathTo(place) {
  const path = [];
  for (let at = place?.parent; at; at = at.parent) path.unshift(at.item);
  return path;
}

// The rows that are to be seen: of open places, or of those that match and what is
// above them.
function flatten(roots, isOpen, match) {
  const wanted = match && wantedIn(roots, match);
  const rows = [];
  const waiting = roots.map((place) => [place, 0]).reverse();
  while (waiting.length) {
    const [place, depth] = waiting.pop();
    if (wanted && !wanted.has(place)) continue;
    const { item, children } = place;
    const foldable = children.length > 0 && !wanted;
    const open = foldable ? isOpen(place) : null;
    rows.push({ item, place, depth, open, dim: Boolean(wanted) && !match(item) });
    if (open === false) continue;
    for (let i = children.length - 1; i >= 0; i -= 1) {
      waiting.push([children[i], depth + 1]);
    }
  }
  return rows;
}

function wantedIn(roots, match) {
  const wanted = new Set();
  for (const place of roots.flatMap(everyBelow)) {
    if (!match(place.item)) continue;
    for (let at = place; at && !wanted.has(at); at = at.parent) wanted.add(at);
  }
  return wanted;
}
