// What goes to the server and comes from it. Strokes wait here while it cannot be reached.

const RETRY = 1500; // milliseconds

export class Refused extends Error {}

async function ask(method, path, body, type) {
  const answer = await fetch(path, { method, body, headers: type ? { "content-type": type } : {} });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({ error: `the server answers ${answer.status}` }));
  const refused = new Refused(said.error);
  refused.status = answer.status;
  throw refused;
}

export const getJson = async (path) => (await ask("GET", path)).json();
export const send = (method, path, values) => ask(method, path, JSON.stringify(values ?? {}), "application/json");
export const picture = async (index) => createImageBitmap(await (await ask("GET", `frames/${index}.jpg`)).blob());

/** The ids of a frame, or null where it has no mask. */
export async function mask(index) {
  const answer = await ask("GET", `masks/${index}`);
  return answer.status === 204 ? null : new Uint8Array(await answer.arrayBuffer());
}

/** What a box holds: {box, pixels, found}. */
export async function boxed(frame, box) {
  const answer = await send("POST", "box", { frame, box });
  return { ...JSON.parse(answer.headers.get("x-box")), pixels: new Uint8Array(await answer.arrayBuffer()) };
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/**
 * Saves what changes, one after the other; the newest of a frame is enough. What the server cannot
 * take now (it is gone, its disk is full) is kept and tried again.
 */
export class Saver {
  constructor(told) {
    this.told = told; // (state: "saved" | "saving" | "waiting" | "refused", line)
    this.waiting = new Map();
    this.busy = false;
    this.times = [];
  }

  /** Labels of a frame that is not saved yet. */
  unsaved(index) {
    return this.waiting.get(`mask ${index}`)?.labels ?? null;
  }

  paint(index, labels, painted) {
    this.put(`mask ${index}`, { labels, began: performance.now(), go: async () => ask("PUT", `masks/${index}${painted ? "" : "?painted=0"}`, await deflated(labels)) });
  }

  values(path, values) {
    this.put(path, { go: () => send("PUT", path, values) });
  }

  put(key, work) {
    this.waiting.set(key, work);
    this.told("saving");
    if (!this.busy) this.run();
  }

  async run() {
    this.busy = true;
    while (this.waiting.size) {
      const [key, work] = this.waiting.entries().next().value;
      try {
        await work.go();
        if (work.began) this.times.push(performance.now() - work.began);
        if (this.waiting.get(key) === work) this.waiting.delete(key);
      } catch (error) {
        const kept = !(error instanceof Refused) || error.status >= 500;
        this.told(kept ? "waiting" : "refused", error instanceof Refused ? error.message : null);
        if (!kept) this.waiting.delete(key);
        else await new Promise((done) => setTimeout(done, RETRY));
      }
    }
    this.busy = false;
    this.told("saved");
  }
}

/** Calls back with every event of the server's; `lost` and `found` as the connection goes and comes. */
export function listen(heard, lost, found) {
  const events = new EventSource("events");
  let gone = false;
  events.onmessage = (event) => heard(JSON.parse(event.data));
  events.onerror = () => {
    gone = true;
    lost();
    if (events.readyState === EventSource.CLOSED) setTimeout(() => listen(heard, lost, found), RETRY);
  };
  events.onopen = () => {
    if (gone) found();
    gone = false;
  };
  if (events.readyState === EventSource.CLOSED) lost();
}
