// What the page knows: the project, the frame at hand, and what was done to it.
import { History } from "./history.js";
import * as net from "./net.js";

export const EMPTY = 0, COMPUTED = 1, STALE = 2, PAINTED = 3;

export class Model extends EventTarget {
  constructor(saver) {
    super();
    this.saver = saver;
    this.frame = 0;
    this.labels = null; // of the frame at hand
    this.objects = [];
    this.chosen = 0;
    this.page = {};
    this.history = new History(this);
    this.stroke = null;
    this.following = false;
    this.turn = 0;
    this.timer = null; // of what is saved a moment later
  }

  tell(what, detail = {}) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }

  on(what, heard) {
    for (const name of what.split(" ")) this.addEventListener(name, (event) => heard(event.detail));
  }

  begin(state) {
    Object.assign(this, { video: state.video, project: state.project, width: state.width, height: state.height, count: state.count, rate: state.rate, aspect: state.aspect, names: state.names, boxes: state.boxes, exports: state.exports });
    this.objects = state.objects;
    this.page = state.page;
    this.chosen = this.objects.find((one) => one.id === state.page.object)?.id ?? this.objects[0]?.id ?? 0;
    this.margins = new Map();
    for (const [id, points] of Object.entries(state.margins)) this.margins.set(Number(id), new Map(points));
    this.change(state);
  }

  /** Takes what changes while the server works. */
  change(state) {
    if (state.statuses) {
      const statuses = new Uint8Array(this.count);
      let at = 0;
      for (const [length, status] of state.statuses) statuses.fill(status, at, (at += length));
      this.statuses = statuses;
    }
    this.worker = state.worker;
    this.run = state.run;
    if (!this.run) this.following = false;
    this.tell("run");
    this.tell("statuses");
    if (state.problem) this.tell("problem", { line: state.problem });
  }

  name(index) {
    return this.names ? this.names[index] : String(index).padStart(5, "0");
  }

  object(id) {
    return this.objects.find((one) => one.id === id);
  }

  locked() {
    const locked = new Uint8Array(256);
    for (const one of this.objects) if (one.locked || one.hidden) locked[one.id] = 1;
    return locked;
  }

  /** Goes to a frame; the last call wins. */
  async goto(index, following = false) {
    index = Math.max(0, Math.min(this.count - 1, index));
    if (!following) this.following = false;
    if (this.stroke) this.endStroke();
    const turn = ++this.turn;
    this.frame = index;
    this.labels = null; // until they come: what is painted must not go to another frame
    this.tell("frame");
    try {
      const [bitmap, labels] = await Promise.all([net.picture(index), this.saver.unsaved(index) ?? net.mask(index)]);
      if (turn !== this.turn) return bitmap.close();
      this.labels = labels ? labels.slice() : new Uint8Array(this.width * this.height);
      this.tell("shown", { bitmap });
      this.page.frame = index;
      this.savePage();
    } catch (error) {
      if (turn === this.turn) this.tell("problem", { line: error instanceof net.Refused ? error.message : "The server cannot be reached." });
    }
  }

  /** Reads the mask at hand anew, unless a person is at it. */
  async reload() {
    const turn = this.turn, index = this.frame;
    if (this.stroke || this.saver.unsaved(index)) return;
    const labels = await net.mask(index).catch(() => undefined);
    if (labels === undefined || !this.labels || turn !== this.turn || this.stroke || this.saver.unsaved(index)) return;
    this.labels = labels ?? new Uint8Array(this.width * this.height);
    this.tell("labels", { box: null });
  }

  beginStroke() {
    this.following = false;
    this.stroke = { frame: this.frame, before: this.labels.slice(), box: null };
  }

  endStroke() {
    const stroke = this.stroke;
    this.stroke = null;
    if (!stroke?.box || !this.history.add(stroke.before, stroke.box)) return;
    this.keep(true);
    this.history.changed();
  }

  cancelStroke() {
    if (!this.stroke) return;
    this.labels = this.stroke.before;
    this.stroke = null;
    this.tell("labels", { box: null });
  }

  /** Hands the frame at hand over to be saved. */
  keep(painted) {
    this.saver.paint(this.frame, this.labels.slice(), painted);
    this.statuses[this.frame] = painted ? PAINTED : EMPTY;
    this.tell("statuses");
  }

  addObject() {
    const taken = new Set(this.objects.map((one) => one.id));
    let id = 1;
    while (taken.has(id)) id++;
    if (id > 255) return this.tell("problem", { line: "There are 255 objects, which is all that a mask can tell apart." });
    this.objects.push({ id, name: `Object ${id}`, color: this.colors[id], hidden: false, locked: false });
    this.choose(id);
    this.saveObjects();
  }

  choose(id) {
    this.chosen = id;
    this.page.object = id;
    this.tell("objects");
    this.savePage();
  }

  saveObjects() {
    this.saver.values("objects", this.objects);
    this.tell("objects");
  }

  set(values) {
    Object.assign(this.page, values);
    this.tell("page");
    this.savePage();
  }

  savePage() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.saver.values("settings", this.page);
    }, 400);
  }
}
