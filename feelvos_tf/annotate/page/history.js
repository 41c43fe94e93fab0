// Undo and redo. The server keeps the list, so that it is there when the page is loaded again.
import { difference, holds, pack, unpack } from "./labels.js";
import * as net from "./net.js";

const MOST = 200; // strokes
const LARGEST = 60000; // numbers of a stroke that is kept; a larger one lasts as long as the page

export class History {
  constructor(model) {
    this.model = model;
    this.done = [];
    this.undone = [];
    this.unsent = new Set();
  }

  /** Takes over what the server has kept. */
  async load() {
    const { strokes, done, undone } = await net.getJson("strokes");
    const known = new Map(strokes.map((one) => [one.id, { ...one, before: Uint32Array.from(one.before), after: Uint32Array.from(one.after) }]));
    [this.done, this.undone] = [done, undone].map((ids) => ids.map((id) => known.get(id)));
    this.model.tell("history");
  }

  /** Notes what a stroke has changed within a box; false where that is nothing. */
  add(before, box) {
    const { frame, labels, width, statuses } = this.model;
    box = difference(before, labels, width, box);
    if (!box) return false;
    const id = Math.floor(Math.random() * 2 ** 52), first = statuses[frame] !== 3;
    const entry = { id, frame, box, before: pack(before, width, box), after: pack(labels, width, box), first };
    this.done.push(entry);
    this.undone.length = 0;
    if (this.done.length > MOST) this.done.shift();
    if (entry.before.length + entry.after.length <= LARGEST) this.unsent.add(entry);
    return true;
  }

  /** Takes the last stroke back, in whatever frame it was. */
  undo() {
    return this.move(this.done, this.undone, "after", "before");
  }

  redo() {
    return this.move(this.undone, this.done, "before", "after");
  }

  async move(from, to, there, then) {
    const entry = from.at(-1), { model } = this;
    if (!entry || model.stroke) return;
    if (entry.frame !== model.frame || !model.labels) await model.goto(entry.frame);
    if (entry.frame !== model.frame || !model.labels || entry !== from.at(-1)) return;
    from.pop();
    if (holds(model.labels, model.width, entry.box, entry[there])) {
      to.push(entry);
      unpack(model.labels, model.width, entry.box, entry[then]);
      model.tell("labels", { box: entry.box });
      model.keep(then === "after" || !entry.first);
    } else model.tell("problem", { line: "The frame has changed since that stroke, so it stays as it is." });
    this.changed();
  }

  /** Tells the page, and the server: of new strokes one at a time, and of the order of all. */
  changed() {
    this.model.tell("history");
    this.model.saver.put("strokes", { go: () => this.send() });
  }

  async send() {
    const ids = (list) => list.map((one) => one.id);
    do {
      const [one] = this.unsent;
      const strokes = one ? [{ ...one, before: Array.from(one.before), after: Array.from(one.after) }] : [];
      await net.send("PUT", "strokes", { strokes, done: ids(this.done), undone: ids(this.undone) });
      this.unsent.delete(one);
    } while (this.unsent.size);
  }
}
