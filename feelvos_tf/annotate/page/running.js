// Computing: the buttons, how far it is, and the frames that come in.
import { STALE } from "./model.js";
import * as net from "./net.js";

export class Running {
  constructor(model) {
    this.model = model;
    this.busy = false;
    for (const button of document.querySelectorAll("[data-goal]")) button.onclick = () => this.start(button.dataset.goal);
    document.getElementById("stop").onclick = () => this.stop();
    document.getElementById("look").onclick = () => this.look();
    model.on("run statuses", () => this.draw());
    this.draw();
  }

  async start(goal) {
    const { model } = this;
    try {
      await this.saved();
      await net.send("POST", "run", { goal, frame: model.frame });
      model.following = goal !== "stale";
    } catch (error) {
      model.tell("problem", { line: error instanceof net.Refused ? error.message : "The server cannot be reached." });
    }
  }

  /** Waits until strokes are with the server, from which the run begins. */
  async saved() {
    while (this.model.saver.busy) await new Promise((done) => setTimeout(done, 20));
  }

  async stop() {
    this.model.run = null;
    this.model.following = false;
    this.draw();
    await net.send("POST", "stop").catch(() => this.model.tell("problem", { line: "The server cannot be reached." }));
  }

  /** Goes to the next of the least sure frames. */
  async look() {
    const { model } = this;
    const frames = await net.getJson("look_at").catch(() => []);
    if (!frames.length) return model.tell("problem", { line: "No computed frame is unsure." });
    model.goto(frames.find((index) => index > model.frame) ?? frames[0]);
  }

  /** Takes a computed frame. */
  take({ index, status, margins, run }) {
    const { model } = this;
    model.statuses[index] = status;
    for (const [id, margin] of Object.entries(margins)) {
      if (!model.margins.has(Number(id))) model.margins.set(Number(id), new Map());
      model.margins.get(Number(id)).set(index, margin);
    }
    model.run = run;
    model.tell("run");
    model.tell("margins");
    if (model.following) this.follow(index);
    else if (index === model.frame) model.reload();
  }

  async follow(index) {
    this.newest = index;
    if (this.busy) return;
    this.busy = true;
    while (this.newest !== null && this.model.following) {
      const next = this.newest;
      this.newest = null;
      await this.model.goto(next, true);
    }
    this.busy = false;
  }

  draw() {
    const { model } = this, { run } = model;
    const show = (id, shown) => (document.getElementById(id).hidden = !shown);
    for (const button of document.querySelectorAll("[data-goal]")) button.hidden = Boolean(run);
    let stale = 0;
    for (const status of model.statuses) stale += status === STALE;
    show("stale", !run && stale);
    document.getElementById("stale-count").textContent = stale ? `(${stale})` : "";
    show("stop", run);
    const loading = model.worker === "loading";
    show("going", run);
    if (!run) return;
    document.getElementById("progress").max = run.total;
    document.getElementById("progress").value = run.done;
    const rate = run.rate ? `${run.rate.toFixed(1)} frames/s, ${time(run.left)} left` : loading ? "loading the network…" : "starting…";
    document.getElementById("speed").textContent = `${run.done} of ${run.total}, ${rate}`;
  }
}

function time(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
