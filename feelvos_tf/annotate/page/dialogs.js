// Help, export, the theme, and lines of what went wrong.
import * as net from "./net.js";

const KINDS = {
  overlay: ["Video with the masks drawn in", "overlay.mp4"],
  cutouts: ["Objects on transparent ground", "cutouts/, cutouts.webm"],
  matte: ["Soft mattes, a gray picture for each object", "matte/"],
  coco: ["Run lengths as of YouTube-VIS", "annotations.json"],
  ytvos: ["Layout of YouTube-VOS", "Annotations/, meta.json"],
  video: ["Lossless video of the ids", "labels.mkv"],
};
const THEMES = ["auto", "light", "dark"];
const $ = (id) => document.getElementById(id);

export class Banner {
  constructor() {
    $("banner-close").onclick = () => this.hide();
  }

  /** Says a line; `kept` until `hide`, else for some seconds. */
  show(line, kept = false) {
    clearTimeout(this.timer);
    $("banner-text").textContent = line;
    $("banner").hidden = false;
    this.kept = kept;
    if (!kept) this.timer = setTimeout(() => this.hide(), 8000);
  }

  hide() {
    $("banner").hidden = true;
  }
}

export function showHelp(keys) {
  $("keys").replaceChildren(
    ...keys.flatMap(([names, what]) => {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      names.split(" ").forEach((name) => dt.append(Object.assign(document.createElement("kbd"), { textContent: name }), " "));
      dd.textContent = what;
      return [dt, dd];
    }),
  );
  $("help").onclick = () => $("help-dialog").showModal();
}

export function showExport(model) {
  const dialog = $("export-dialog");
  $("folder").textContent = model.project;
  $("kinds").replaceChildren(
    ...Object.entries(KINDS).map(([kind, [what, files]]) => {
      const label = document.createElement("label"), there = model.exports.includes(kind);
      const box = Object.assign(document.createElement("input"), { type: "checkbox", name: kind, disabled: !there, checked: kind === "overlay" && there });
      const small = Object.assign(document.createElement("small"), { textContent: there ? files : "what it needs is not installed" });
      label.append(box, what, small);
      return label;
    }),
  );
  $("export").onclick = () => {
    const missing = model.statuses.filter((status) => status === 0).length, stale = model.statuses.filter((status) => status === 2).length;
    $("export-said").textContent = [missing && `${missing} frames have no mask and count as background.`, stale && `${stale} frames are out of date.`].filter(Boolean).join(" ");
    dialog.showModal();
  };
  $("export-close").onclick = () => dialog.close();
  $("export-go").onclick = async () => {
    const kinds = [...$("kinds").elements].filter((box) => box.checked).map((box) => box.name);
    $("export-go").disabled = true;
    $("export-said").textContent = "Writing…";
    await net.send("POST", "export", { kinds }).catch((error) => {
      $("export-said").textContent = error.message;
      $("export-go").disabled = false;
    });
  };
  return {
    going: ({ done, total }) => ($("export-said").textContent = `Writing: ${done} of ${total} frames…`),
    ended: ({ files, problem }) => {
      $("export-go").disabled = false;
      $("export-said").textContent = problem ?? `Written:\n${files.join("\n")}`;
    },
  };
}

export function showTheme(model) {
  const root = document.documentElement, button = $("theme");
  const apply = (theme) => {
    root.dataset.theme = theme;
    button.setAttribute("aria-label", `Theme: ${theme === "auto" ? "as the system" : theme}`);
    button.title = button.getAttribute("aria-label");
    model.tell("theme");
  };
  apply(model.page.theme ?? "auto");
  button.onclick = () => {
    const theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    apply(theme);
    model.set({ theme });
  };
}
