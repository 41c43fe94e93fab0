// The picture: frame and masks as two canvases that the browser zooms and moves together.

export class View {
  constructor(model) {
    this.model = model;
    this.stage = document.getElementById("stage");
    this.layers = document.getElementById("layers");
    this.frame = document.getElementById("frame");
    this.overlay = document.getElementById("overlay");
    this.drawing = document.getElementById("drawing");
    this.cursor = document.getElementById("cursor");
    this.scale = 1;
    this.left = this.top = 0;
    this.fitted = true;
    for (const canvas of [this.frame, this.overlay]) [canvas.width, canvas.height] = [model.width, model.height];
    this.drawing.setAttribute("viewBox", `0 0 ${model.width} ${model.height}`);
    this.drawing.style.width = `${model.width}px`;
    this.drawing.style.height = `${model.height}px`;
    this.pen = this.frame.getContext("2d", { alpha: false });
    this.ink = this.overlay.getContext("2d");
    this.image = new ImageData(model.width, model.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.colors = new Uint32Array(256);
    new ResizeObserver(() => (this.fitted ? this.fit() : this.place())).observe(this.stage);
    model.on("shown", ({ bitmap }) => {
      this.pen.drawImage(bitmap, 0, 0);
      bitmap.close();
      this.paint(null);
    });
    model.on("labels", ({ box }) => this.paint(box));
    model.on("objects page", () => {
      this.look();
      this.paint(null);
    });
    this.look();
  }

  /** Takes over colors and how masks are shown. */
  look() {
    this.colors.fill(0);
    for (const one of this.model.objects) {
      const rgb = parseInt(one.color.slice(1), 16);
      if (!one.hidden) this.colors[one.id] = (0xff000000 | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
    }
    this.outline = this.model.page.outline ?? false;
    this.overlay.style.opacity = this.outline ? 1 : (this.model.page.opacity ?? 0.55);
  }

  /** Draws the masks anew, within a box or all over. */
  paint(box) {
    const { width, height, labels } = this.model;
    if (!labels) return;
    let [left, top, right, bottom] = box ?? [0, 0, width, height];
    const { pixels, colors } = this;
    if (this.outline) {
      [left, top, right, bottom] = [Math.max(0, left - 2), Math.max(0, top - 2), Math.min(width, right + 2), Math.min(height, bottom + 2)];
      const far = width > 1000 ? 2 : 1;
      for (let y = top; y < bottom; y++)
        for (let x = left, at = y * width + left; x < right; x++, at++) {
          const id = labels[at];
          const edge = id && (x < far || y < far || x >= width - far || y >= height - far || labels[at - far] !== id || labels[at + far] !== id || labels[at - far * width] !== id || labels[at + far * width] !== id);
          pixels[at] = edge ? colors[id] : 0;
        }
    } else {
      for (let y = top; y < bottom; y++)
        for (let at = y * width + left, end = y * width + right; at < end; at++) pixels[at] = colors[labels[at]];
    }
    this.ink.putImageData(this.image, 0, 0, left, top, right - left, bottom - top);
  }

  /** Shows all of the picture. */
  fit() {
    const { clientWidth, clientHeight } = this.stage;
    const { width, height, aspect } = this.model;
    this.scale = Math.min((clientWidth - 16) / (width * aspect), (clientHeight - 16) / height);
    this.left = (clientWidth - width * aspect * this.scale) / 2;
    this.top = (clientHeight - height * this.scale) / 2;
    this.fitted = true;
    this.place();
  }

  /** Zooms by a factor around a point of the stage, by default its middle. */
  zoom(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const scale = Math.max(0.05, Math.min(40, this.scale * factor));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.place();
  }

  move(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.fitted = false;
    this.place();
  }

  place() {
    const { width, height, aspect } = this.model;
    // Some of the picture always stays in sight.
    const keep = 40;
    this.left = Math.max(keep - width * aspect * this.scale, Math.min(this.stage.clientWidth - keep, this.left));
    this.top = Math.max(keep - height * this.scale, Math.min(this.stage.clientHeight - keep, this.top));
    this.layers.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.scale * aspect}, ${this.scale})`;
    this.layers.classList.toggle("near", this.scale * devicePixelRatio > 2);
    document.getElementById("zoom-fit").textContent = `${Math.round(this.scale * 100)} %`;
    this.model.tell("placed");
  }

  /** A point of the window as one of the picture. */
  point(event) {
    const stage = this.stage.getBoundingClientRect();
    return { x: (event.clientX - stage.left - this.left) / (this.scale * this.model.aspect), y: (event.clientY - stage.top - this.top) / this.scale };
  }

  /** Shows the pointer at a point of the picture: a ring of a radius in pixels, or a cross. */
  pointAt(point, radius) {
    const cross = radius === null || radius * this.scale < 3;
    const size = cross ? 18 : 2 * radius * this.scale;
    this.cursor.classList.toggle("cross", cross);
    this.cursor.style.cssText = `display:block;width:${size}px;height:${size}px;transform:translate(${this.left + point.x * this.scale * this.model.aspect - size / 2}px,${this.top + point.y * this.scale - size / 2}px)`;
  }

  hideCursor() {
    this.cursor.style.display = "none";
  }
}
