// The line below: thumbnails, what each frame is, and how sure each object is over time.
import { COMPUTED, EMPTY, PAINTED, STALE } from "./model.js";

const BAR = 10; // height of the row of statuses
const THUMBNAIL = 86; // least width

export class Timeline {
  constructor(model) {
    this.model = model;
    this.canvas = document.getElementById("timeline");
    this.strip = document.getElementById("strip");
    this.canvas.setAttribute("aria-valuemax", model.count);
    const here = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return Math.min(model.count - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * model.count)));
    };
    this.canvas.onpointerdown = (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.dragging = true;
      model.goto(here(event));
    };
    this.canvas.onpointermove = (event) => this.dragging && here(event) !== model.frame && model.goto(here(event));
    this.canvas.onpointerup = this.canvas.onpointercancel = () => (this.dragging = false);
    this.canvas.onkeydown = (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -model.count, End: model.count }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      model.goto(model.frame + step);
    };
    new ResizeObserver(() => {
      this.draw();
      this.thumbnails();
    }).observe(this.canvas);
    model.on("statuses frame objects margins", () => this.soon());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.soon());
    model.on("theme", () => this.soon());
  }

  soon() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      this.draw();
    });
  }

  thumbnails() {
    const { count } = this.model;
    const number = Math.max(1, Math.min(count, Math.floor(this.strip.clientWidth / THUMBNAIL)));
    if (this.strip.children.length === number) return;
    this.strip.replaceChildren(
      ...Array.from({ length: number }, (_, i) => {
        const index = Math.min(count - 1, Math.floor(((i + 0.5) * count) / number));
        return Object.assign(new Image(), { alt: "", decoding: "async", src: `thumbnails/${index}.jpg` });
      }),
    );
  }

  draw() {
    const { canvas, model } = this;
    const { clientWidth: width, clientHeight: height } = canvas, { count, statuses } = model;
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(`--${name}`).trim();
    const colors = { [EMPTY]: color("line"), [COMPUTED]: color("computed"), [STALE]: color("stale"), [PAINTED]: color("computed") };
    // Of the frames of a column the one that asks for most is shown.
    const worth = { [STALE]: 3, [EMPTY]: 2, [COMPUTED]: 1, [PAINTED]: 0 };
    const columns = Math.min(count, Math.max(1, Math.floor(width)));
    for (let column = 0; column < columns; column++) {
      const from = Math.floor((column * count) / columns), to = Math.max(from + 1, Math.floor(((column + 1) * count) / columns));
      let shown = statuses[from];
      for (let i = from + 1; i < to; i++) if (worth[statuses[i]] > worth[shown]) shown = statuses[i];
      pen.fillStyle = colors[shown];
      const left = (column * width) / columns, gap = width / columns > 6 ? 1 : 0;
      pen.fillRect(left, 2, width / columns - gap + 0.02, BAR);
    }
    this.curves(pen, width, height);
    pen.fillStyle = color("painted");
    for (let i = 0; i < count; i++)
      if (statuses[i] === PAINTED) {
        const x = ((i + 0.5) * width) / count, y = 2 + BAR / 2;
        pen.beginPath();
        pen.moveTo(x, y - 7);
        pen.lineTo(x + 6, y);
        pen.lineTo(x, y + 7);
        pen.lineTo(x - 6, y);
        pen.fill();
      }
    const x = ((model.frame + 0.5) * width) / count;
    pen.fillStyle = color("ink");
    pen.fillRect(x - 1, 0, 2, height);
    pen.beginPath();
    pen.arc(x, height - 5, 5, 0, 7);
    pen.fill();
    canvas.setAttribute("aria-valuenow", model.frame + 1);
    const words = ["no mask", "computed", "out of date", "painted"][statuses[model.frame]];
    canvas.setAttribute("aria-valuetext", `Frame ${model.frame + 1} of ${count}, ${words}`);
  }

  curves(pen, width, height) {
    const { count, margins, objects } = this.model;
    const top = BAR + 8, room = height - top - 4;
    for (const one of objects) {
      const points = margins.get(one.id);
      if (!points || one.hidden) continue;
      pen.strokeStyle = one.color;
      pen.lineWidth = 1.5;
      pen.globalAlpha = 0.9;
      pen.beginPath();
      let last = -2;
      for (const index of [...points.keys()].sort((a, b) => a - b)) {
        const x = ((index + 0.5) * width) / count, y = top + room * (1 - points.get(index));
        if (index - last > 1) pen.moveTo(x - 1, y);
        pen.lineTo(x, y);
        last = index;
      }
      pen.stroke();
      pen.globalAlpha = 1;
    }
  }
}
