// What a hand does to the picture, be it a mouse's, a finger's, a pen's or the arrow keys'.
import { cut, drawLine, drawPixels, drawPolygon, fill, union } from "./labels.js";
import * as net from "./net.js";

const CLOSE = 10; // pixels of the screen within which a polygon closes
const SVG = "http://www.w3.org/2000/svg";

export class Tools {
  constructor(model, view) {
    this.model = model;
    this.view = view;
    this.points = []; // of the polygon being drawn
    this.corner = null; // of the box being drawn
    this.last = null; // point of the stroke being drawn
    this.pointers = new Map();
    this.pointer = { x: model.width / 2, y: model.height / 2 };
    this.costs = []; // milliseconds of script that parts of strokes took
    for (const button of this.buttons()) button.onclick = () => this.choose(button.dataset.tool);
    this.slider = document.getElementById("size");
    this.slider.oninput = () => this.resize(Number(this.slider.value));
    const stage = view.stage;
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", (event) => this.up(event, true));
    stage.addEventListener("pointerleave", () => view.hideCursor());
    stage.addEventListener("dblclick", () => this.closePolygon());
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    model.on("placed", () => this.draw());
    model.on("frame", () => this.cancel());
    this.choose(model.page.tool ?? "brush", false);
    this.resize(model.page.size ?? Math.max(4, Math.round(model.height / 24)), false);
  }

  buttons() {
    return document.querySelectorAll("[data-tool]");
  }

  choose(tool, keep = true) {
    if (![...this.buttons()].some((button) => button.dataset.tool === tool)) tool = "brush";
    this.cancel();
    this.tool = tool;
    for (const button of this.buttons()) button.setAttribute("aria-pressed", button.dataset.tool === tool);
    this.view.stage.classList.toggle("panning", tool === "pan");
    this.view.hideCursor();
    if (keep) this.model.set({ tool });
  }

  resize(size, keep = true) {
    this.size = Math.max(1, Math.min(200, size));
    this.slider.value = this.size;
    document.getElementById("size-shown").textContent = this.size;
    if (keep) this.model.set({ size: this.size });
  }

  /** Radius of the ring around the pointer; null where there is none. */
  radius() {
    return this.tool === "brush" || this.tool === "eraser" ? this.size / 2 : null;
  }

  down(event) {
    const { stage } = this.view;
    if (event.target.closest(".zoom")) return;
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size > 1) return this.cancel(); // fingers that zoom
    if (this.tool === "pan" || event.button === 1 || this.space) {
      this.panning = true;
      return;
    }
    if (event.button === 0) this.begin(this.view.point(event), event.altKey || event.ctrlKey);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (before) this.pointers.set(event.pointerId, event);
    if (this.pointers.size > 1) return before && this.pinch(before, event);
    if (this.panning && before) return this.view.move(event.clientX - before.clientX, event.clientY - before.clientY);
    const began = performance.now();
    const events = this.last && event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event];
    for (const one of events) this.continue(this.view.point(one));
    if (event.pointerType !== "touch") this.view.pointAt(this.pointer, this.radius());
    if (this.last) this.costs.push(performance.now() - began);
  }

  up(event, cancelled = false) {
    this.pointers.delete(event.pointerId);
    if (this.panning) this.panning = false;
    else if (cancelled) this.cancel();
    else this.end();
  }

  pinch(before, after) {
    const other = [...this.pointers.values()].find((one) => one.pointerId !== after.pointerId);
    const stage = this.view.stage.getBoundingClientRect();
    const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    this.view.move((after.clientX - before.clientX) / 2, (after.clientY - before.clientY) / 2);
    this.view.zoom(apart(after) / apart(before), (after.clientX + other.clientX) / 2 - stage.left, (after.clientY + other.clientY) / 2 - stage.top);
  }

  wheel(event) {
    event.preventDefault();
    const stage = this.view.stage.getBoundingClientRect();
    this.view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - stage.left, event.clientY - stage.top);
  }

  /** Puts the tool down at a point of the picture. */
  begin(point, erase = false) {
    const { model } = this;
    this.pointer = point;
    if (!model.labels) return;
    const at = { x: Math.floor(point.x), y: Math.floor(point.y) };
    const inside = at.x >= 0 && at.y >= 0 && at.x < model.width && at.y < model.height;
    if (this.tool === "pick") {
      const id = inside ? model.labels[at.y * model.width + at.x] : 0;
      if (id) model.choose(id);
      return;
    }
    this.erase = this.tool === "eraser" || (erase && this.tool === "brush");
    if (!this.erase && !this.ready()) return;
    if (this.tool === "polygon") return this.addPoint(point);
    if (this.tool === "box") return void (this.corner = point);
    model.beginStroke();
    if (this.tool === "fill") {
      if (inside) this.touched(fill(model.labels, model.width, model.height, at.x, at.y, model.chosen, model.locked()));
      model.endStroke();
      return;
    }
    this.locked = model.locked();
    this.last = point;
    this.continue(point);
  }

  /** Whether there is an object to paint; makes the first one. */
  ready() {
    const { model } = this;
    if (!model.object(model.chosen)) model.addObject();
    const one = model.object(model.chosen);
    if (one.locked || one.hidden) {
      model.tell("problem", { line: `${one.name} is ${one.locked ? "locked" : "hidden"}, so it cannot be painted.` });
      return false;
    }
    return true;
  }

  continue(point) {
    const { model } = this;
    this.pointer = point;
    if (this.last) {
      const id = this.erase ? 0 : model.chosen;
      this.touched(drawLine(model.labels, model.width, model.height, this.last, point, this.size / 2, id, this.locked));
      this.last = point;
    }
    if (this.corner || this.points.length) this.draw();
  }

  end() {
    if (this.last) {
      this.last = null;
      this.model.endStroke();
    } else if (this.corner) {
      const corner = this.corner, point = this.pointer;
      this.corner = null;
      this.draw();
      this.finishBox(corner, point);
    }
  }

  touched(box) {
    this.model.stroke.box = union(this.model.stroke.box, box);
    if (box) this.model.tell("labels", { box });
  }

  addPoint(point) {
    const [first] = this.points;
    const near = first && Math.hypot((point.x - first.x) * this.view.scale, (point.y - first.y) * this.view.scale) < CLOSE;
    if (near && this.points.length > 2) return this.closePolygon();
    this.points.push(point);
    this.draw();
  }

  closePolygon() {
    const { model, points } = this;
    if (points.length > 2) {
      model.beginStroke();
      this.touched(drawPolygon(model.labels, model.width, model.height, points, model.chosen, model.locked()));
      model.endStroke();
    }
    this.cancel();
  }

  async finishBox(from, to) {
    const { model } = this;
    const box = cut(Math.min(from.x, to.x), Math.min(from.y, to.y), Math.max(from.x, to.x), Math.max(from.y, to.y), model.width, model.height);
    if (!box || box[2] - box[0] < 2 || box[3] - box[1] < 2) return;
    const frame = model.frame, id = model.chosen;
    let found = { box, pixels: new Uint8Array((box[2] - box[0]) * (box[3] - box[1])).fill(1) };
    if (model.boxes) {
      this.view.stage.setAttribute("aria-busy", "true");
      try {
        found = await net.boxed(frame, box);
      } catch (error) {
        model.tell("problem", { line: error.message });
        return;
      } finally {
        this.view.stage.removeAttribute("aria-busy");
      }
    }
    if (frame !== model.frame || model.stroke || !model.labels) return;
    if (found.found === false) model.tell("problem", { line: "Nothing stands out in the box, so all of it is painted." });
    model.beginStroke();
    this.touched(drawPixels(model.labels, model.width, found.box, found.pixels, id, model.locked()));
    model.endStroke();
  }

  /** Drops what is being drawn. */
  cancel() {
    this.points = [];
    this.corner = this.last = null;
    this.model.cancelStroke();
    this.draw();
  }

  /** Whether something is being drawn that Escape would drop. */
  get active() {
    return Boolean(this.points.length || this.corner || this.last);
  }

  draw() {
    const { drawing } = this.view;
    drawing.replaceChildren();
    const shape = (name, values, dash) => {
      const one = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(values)) one.setAttribute(key, value);
      one.setAttribute("class", dash ? "shape dash" : "shape");
      drawing.append(one);
    };
    if (this.points.length) {
      shape("polygon", { points: [...this.points, this.pointer].map((p) => `${p.x},${p.y}`).join(" ") }, true);
      for (const p of this.points) shape("circle", { cx: p.x, cy: p.y, r: 4 / this.view.scale });
    }
    if (this.corner) {
      const { corner: a, pointer: b } = this;
      shape("rect", { x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), width: Math.abs(a.x - b.x), height: Math.abs(a.y - b.y) }, true);
    }
  }

  /** Moves the pointer by keys. */
  nudge(dx, dy) {
    const { model, view } = this;
    const point = { x: Math.max(0, Math.min(model.width, this.pointer.x + dx)), y: Math.max(0, Math.min(model.height, this.pointer.y + dy)) };
    this.continue(point);
    view.pointAt(point, this.radius());
  }

  /** Enter: puts the tool down, and up again. */
  press() {
    if (this.last || this.corner) return this.end();
    this.begin(this.pointer);
    this.view.pointAt(this.pointer, this.radius());
  }
}
