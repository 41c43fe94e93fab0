// The keyboard: everything can be done without a mouse.

const TOOLS = { b: "brush", e: "eraser", p: "polygon", f: "fill", x: "box", v: "pick", h: "pan" };
const STEP = 8, FINE = 1; // pixels of the picture that an arrow key moves the pointer

export const KEYS = [
  ["B E P F X V H", "Brush, eraser, polygon, fill, box, pick, move"],
  ["[ ]", "Smaller, larger brush"],
  ["1 … 9", "Choose an object"],
  ["N", "New object"],
  ["Ctrl+Z Ctrl+Shift+Z", "Undo, redo"],
  [", .", "Frame before, frame after (also ← → outside the picture)"],
  ["Home End", "First frame, last frame"],
  ["J", "Next painted frame"],
  ["K", "Play or pause"],
  ["L", "Next frame to look at"],
  ["R", "Compute both ways"],
  ["Shift+R", "Recompute what is out of date"],
  ["Esc", "Drop what is being drawn, or stop computing"],
  ["M", "Hold: without masks"],
  ["O", "Outline only"],
  ["+ - 0", "Zoom in, zoom out, fit"],
  ["Space", "Hold and drag: move the picture"],
  ["← ↑ → ↓", "In the picture: move the pointer (Shift: by one pixel)"],
  ["Enter", "In the picture: put the tool down and up; close the polygon at its first point"],
  ["Alt", "Hold while painting: erase"],
];

export function bindKeys({ model, view, tools, running, player, hide }) {
  const plain = {
    "[": () => tools.resize(Math.min(tools.size - 1, Math.round(tools.size * 0.85))),
    "]": () => tools.resize(Math.max(tools.size + 1, Math.round(tools.size * 1.18))),
    n: () => model.addObject(),
    ",": () => model.goto(model.frame - 1),
    ".": () => model.goto(model.frame + 1),
    Home: () => model.goto(0),
    End: () => model.goto(model.count - 1),
    j: () => nextPainted(model),
    k: () => player.toggle(),
    l: () => running.look(),
    r: () => running.start("both"),
    R: () => running.start("stale"),
    o: () => model.set({ outline: !model.page.outline }),
    "+": () => view.zoom(1.25),
    "=": () => view.zoom(1.25),
    "-": () => view.zoom(0.8),
    0: () => view.fit(),
    "?": () => document.getElementById("help").click(),
    m: () => hide(true),
  };
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input:not([type=range]):not([type=checkbox])") || document.querySelector("dialog[open]")) return;
    const key = event.key.length === 1 && event.key !== "R" ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey) {
      if (key !== "z" && key !== "y") return;
      event.preventDefault();
      if (key === "y" || event.shiftKey) model.history.redo();
      else model.history.undo();
      return;
    }
    const onStage = document.activeElement === view.stage;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    let known = true;
    if (arrow && onStage) tools.nudge(...arrow.map((one) => one * (event.shiftKey ? FINE : STEP)));
    else if (arrow && arrow[0] && document.activeElement === document.body) model.goto(model.frame + arrow[0]);
    else if (event.key === "Enter" && onStage) tools.press();
    else if (event.key === " " && onStage) {
      tools.space = true;
      view.stage.classList.add("panning");
    } else if (event.key === "Escape") tools.active ? tools.cancel() : model.run && running.stop();
    else if (/^[1-9]$/.test(key)) model.objects[key - 1] && model.choose(model.objects[key - 1].id);
    else if (TOOLS[key] && !event.altKey) tools.choose(TOOLS[key]);
    else if (plain[key] && !event.altKey && !(event.target.matches("input, canvas") && /^(Home|End)$/.test(key))) plain[key]();
    else known = false;
    if (known) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " " && tools.space) {
      tools.space = false;
      view.stage.classList.toggle("panning", tools.tool === "pan");
    }
    if (event.key.toLowerCase() === "m") hide(false);
  });
}

function nextPainted(model) {
  for (let i = 1; i <= model.count; i++) {
    const index = (model.frame + i) % model.count;
    if (model.statuses[index] === 3) return model.goto(index);
  }
}
