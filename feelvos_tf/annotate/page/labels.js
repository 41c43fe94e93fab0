// What is done to the ids of a frame: a Uint8Array of width * height. Nothing here knows the page.

/** A box [left, top, right, bottom], right and bottom past its end, cut to the frame; null: empty. */
export function cut(left, top, right, bottom, width, height) {
  const box = [Math.max(0, Math.floor(left)), Math.max(0, Math.floor(top)), Math.min(width, Math.ceil(right)), Math.min(height, Math.ceil(bottom))];
  return box[0] < box[2] && box[1] < box[3] ? box : null;
}

/** The box around two boxes, either of which may be null. */
export function union(a, b) {
  if (!a || !b) return a || b;
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}

/** Sets one pixel; ids of locked objects stay, and where only is not null all but that id. */
function put(labels, at, id, locked, only) {
  const there = labels[at];
  if (!locked[there] && (only === null || there === only)) labels[at] = id;
}

/** Draws a line with a round pen between two points; returns the box touched. */
export function drawLine(labels, width, height, from, to, radius, id, locked, only = null) {
  const box = cut(Math.min(from.x, to.x) - radius, Math.min(from.y, to.y) - radius, Math.max(from.x, to.x) + radius + 1, Math.max(from.y, to.y) + radius + 1, width, height);
  if (!box) return null;
  const dx = to.x - from.x, dy = to.y - from.y, length2 = dx * dx + dy * dy;
  const reach = Math.max(radius * radius, 0.5);
  for (let y = box[1]; y < box[3]; y++) {
    const py = y + 0.5 - from.y;
    for (let x = box[0]; x < box[2]; x++) {
      const px = x + 0.5 - from.x;
      let t = length2 ? (px * dx + py * dy) / length2 : 0;
      t = t < 0 ? 0 : t > 1 ? 1 : t;
      const ex = px - t * dx, ey = py - t * dy;
      if (ex * ex + ey * ey <= reach) put(labels, y * width + x, id, locked, only);
    }
  }
  return box;
}

/** Fills a polygon, even-odd, at pixel centers; returns the box touched. */
export function drawPolygon(labels, width, height, points, id, locked) {
  const xs = points.map((p) => p.x), ys = points.map((p) => p.y);
  const box = cut(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys), width, height);
  if (!box) return null;
  for (let y = box[1]; y < box[3]; y++) {
    const crossings = [];
    for (let i = 0; i < points.length; i++) {
      const a = points[i], b = points[(i + 1) % points.length];
      if (a.y <= y + 0.5 !== b.y <= y + 0.5) crossings.push(a.x + ((y + 0.5 - a.y) / (b.y - a.y)) * (b.x - a.x));
    }
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const end = Math.min(width, Math.round(crossings[i + 1]));
      for (let x = Math.max(0, Math.round(crossings[i])); x < end; x++) put(labels, y * width + x, id, locked, null);
    }
  }
  return box;
}

/** Gives the connected area of one id at a point another id; returns the box touched. */
export function fill(labels, width, height, x, y, id, locked) {
  const old = labels[y * width + x];
  if (old === id || locked[old]) return null;
  let box = null;
  const open = [[x, y]];
  while (open.length) {
    const [cx, cy] = open.pop();
    const row = cy * width;
    if (labels[row + cx] !== old) continue;
    let left = cx, right = cx;
    while (left > 0 && labels[row + left - 1] === old) left--;
    while (right < width - 1 && labels[row + right + 1] === old) right++;
    labels.fill(id, row + left, row + right + 1);
    box = union(box, [left, cy, right + 1, cy + 1]);
    for (const ny of [cy - 1, cy + 1]) {
      if (ny < 0 || ny >= height) continue;
      for (let nx = left, inside = false; nx <= right; nx++) {
        const same = labels[ny * width + nx] === old;
        if (same && !inside) open.push([nx, ny]);
        inside = same;
      }
    }
  }
  return box;
}

/** Lays pixels (a byte each, not 0: set) over a box; returns it. */
export function drawPixels(labels, width, box, pixels, id, locked) {
  const across = box[2] - box[0];
  for (let y = box[1]; y < box[3]; y++)
    for (let x = box[0]; x < box[2]; x++)
      if (pixels[(y - box[1]) * across + x - box[0]]) put(labels, y * width + x, id, locked, null);
  return box;
}

/** The ids in a box as runs: [length, id, length, id, ...]. */
export function pack(labels, width, box) {
  const runs = [];
  let id = -1, length = 0;
  for (let y = box[1]; y < box[3]; y++)
    for (let at = y * width + box[0], end = y * width + box[2]; at < end; at++) {
      if (labels[at] === id) length++;
      else {
        if (length) runs.push(length, id);
        id = labels[at];
        length = 1;
      }
    }
  runs.push(length, id);
  return Uint32Array.from(runs);
}

/** Writes runs of `pack` back into their box. */
export function unpack(labels, width, box, runs) {
  let run = 0, left = runs[0];
  for (let y = box[1]; y < box[3]; y++)
    for (let at = y * width + box[0], end = y * width + box[2]; at < end; at++) {
      while (!left) left = runs[(run += 2)];
      labels[at] = runs[run + 1];
      left--;
    }
}

/** Whether a box holds what runs of `pack` say. */
export function holds(labels, width, box, runs) {
  const now = pack(labels, width, box);
  return now.length === runs.length && now.every((value, i) => value === runs[i]);
}

/** The part of a box in which two frames differ, as a box; null where they do not. */
export function difference(a, b, width, box) {
  let found = null;
  for (let y = box[1]; y < box[3]; y++) {
    let first = -1, last = -1;
    for (let x = box[0]; x < box[2]; x++)
      if (a[y * width + x] !== b[y * width + x]) {
        if (first < 0) first = x;
        last = x;
      }
    if (first >= 0) found = union(found, [first, y, last + 1, y + 1]);
  }
  return found;
}
