// Puts the page together, and keeps it in step with the server.
import { Banner, showExport, showHelp, showTheme } from "./dialogs.js";
import { bindKeys, KEYS } from "./keys.js";
import { EMPTY, Model, PAINTED } from "./model.js";
import * as net from "./net.js";
import { showObjects } from "./objects.js";
import { Running } from "./running.js";
import { Timeline } from "./timeline.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const banner = new Banner();
const saver = new net.Saver((state, line) => {
  $("saved").textContent = { saved: "saved", saving: "saving…", waiting: "waiting to save", refused: "not saved" }[state];
  $("saved").classList.toggle("busy", state === "waiting" || state === "refused");
  if (state === "waiting" && !document.body.classList.contains("offline")) banner.show(line ? `${line} Your strokes are kept here, and saved when it is possible again.` : LOST, true);
  if (state === "refused") banner.show(line);
  if (state === "saved" && banner.kept && !document.body.classList.contains("offline")) banner.hide();
});
const LOST = "The server cannot be reached. Your strokes are kept here, and saved when it is back.";

class Player {
  constructor(model) {
    this.model = model;
    this.playing = false;
    $("play").onclick = () => this.toggle();
  }

  toggle() {
    this.playing = !this.playing;
    $("play-icon").setAttribute("href", `page/icons.svg#${this.playing ? "pause" : "play"}`);
    $("play").setAttribute("aria-label", this.playing ? "Pause" : "Play");
    if (this.playing) this.run();
  }

  async run() {
    const { model } = this;
    if (model.frame === model.count - 1) await model.goto(0);
    while (this.playing && model.frame < model.count - 1) {
      const due = performance.now() + 1000 / Math.min(60, model.rate);
      await model.goto(model.frame + 1);
      await new Promise((done) => setTimeout(done, Math.max(0, due - performance.now())));
    }
    if (this.playing) this.toggle();
  }
}

async function begin() {
  const model = new Model(saver);
  const state = await net.getJson("state");
  model.colors = state.colors;
  model.begin(state);
  document.title = `${model.video} – masks`;
  $("video").textContent = model.video;
  $("video").title = model.project;
  model.on("problem", ({ line }) => banner.show(line));
  showTheme(model);
  const hide = showObjects(model);
  const view = new View(model);
  const tools = new Tools(model, view);
  new Timeline(model);
  const running = new Running(model);
  const player = new Player(model);
  const exported = showExport(model);
  showHelp(KEYS);
  bindKeys({ model, view, tools, running, player, hide });

  for (const [id, act] of Object.entries({
    undo: () => model.history.undo(),
    redo: () => model.history.redo(),
    first: () => model.goto(0),
    previous: () => model.goto(model.frame - 1),
    next: () => model.goto(model.frame + 1),
    last: () => model.goto(model.count - 1),
    "zoom-in": () => view.zoom(1.25),
    "zoom-out": () => view.zoom(0.8),
    "zoom-fit": () => view.fit(),
    unpaint: () => net.send("DELETE", `masks/${model.frame}`).then(() => model.reload(), (error) => banner.show(error.message)),
  })) $(id).onclick = act;

  model.on("history", () => {
    $("undo").disabled = !model.history.done.length;
    $("redo").disabled = !model.history.undone.length;
  });
  const where = () => {
    const { frame, count, statuses } = model;
    $("where").textContent = `Frame ${frame + 1} / ${count}${model.names ? ` · ${model.name(frame)}` : ""}`;
    const status = statuses[frame];
    $("about").textContent = ["No mask yet.", "Computed. Paint on it to put it right.", "Out of date: it follows from a frame that has changed. Recompute brings it up to date.", "Painted by you: the others follow from it."][status];
    $("unpaint").disabled = status !== PAINTED;
    $("empty").hidden = statuses.some((one) => one !== EMPTY) || saver.busy;
  };
  model.on("frame statuses margins", where);
  where();

  net.listen(
    (event) => {
      if (event.kind === "frame") running.take(event);
      else if (event.kind === "frames") model.change(event);
      else if (event.kind === "mask") event.index === model.frame && model.reload();
      else if (event.kind === "died") banner.show(event.line);
      else if (event.kind === "export") exported.going(event);
      else if (event.kind === "exported") exported.ended(event);
      else if (event.kind === "reload") catchUp();
    },
    () => {
      document.body.classList.add("offline");
      banner.show(LOST, true);
    },
    () => {
      document.body.classList.remove("offline");
      banner.hide();
      catchUp();
    },
  );
  const catchUp = async () => {
    const now = await net.getJson("state").catch(() => null);
    if (!now) return;
    for (const [id, points] of Object.entries(now.margins)) model.margins.set(Number(id), new Map(points));
    model.change(now);
    model.reload();
  };
  addEventListener("beforeunload", (event) => saver.busy && event.preventDefault());
  await model.history.load();
  await model.goto(Math.min(model.count - 1, model.page.frame ?? 0));
  document.body.dataset.ready = "true";
  window.page = { model, view, tools, running, saver }; // for a look from the console
}

begin().catch((error) => banner.show(error.message, true));
