// The list of objects, and how masks are shown.

const icon = (name) => `<svg><use href="page/icons.svg#${name}"/></svg>`;

export function showObjects(model) {
  const list = document.getElementById("objects");
  const draw = () => {
    if (list.contains(document.activeElement) && document.activeElement.matches("input") && list.children.length === model.objects.length) return mark();
    list.replaceChildren(...model.objects.map((one) => row(model, one)));
    mark();
  };
  const mark = () => {
    for (const li of list.children) {
      const chosen = Number(li.dataset.id) === model.chosen;
      li.classList.toggle("chosen", chosen);
      li.querySelector(".key").setAttribute("aria-pressed", chosen);
    }
  };
  model.on("objects", draw);
  draw();
  document.getElementById("add").onclick = () => model.addObject();

  const opacity = document.getElementById("opacity"), outline = document.getElementById("outline");
  opacity.value = Math.round(100 * (model.page.opacity ?? 0.55));
  outline.checked = model.page.outline ?? false;
  opacity.oninput = () => model.set({ opacity: opacity.value / 100 });
  outline.onchange = () => model.set({ outline: outline.checked });
  model.on("page", () => (outline.checked = model.page.outline ?? false));

  const before = document.getElementById("before"), overlay = document.getElementById("overlay");
  const hide = (hidden) => {
    overlay.style.visibility = hidden ? "hidden" : "";
    before.setAttribute("aria-pressed", hidden);
  };
  before.onpointerdown = () => hide(true);
  before.onpointerup = before.onpointerleave = () => hide(false);
  before.onkeydown = (event) => (event.key === " " || event.key === "Enter") && hide(true);
  before.onkeyup = () => hide(false);
  return hide;
}

function row(model, one) {
  const li = document.createElement("li");
  li.dataset.id = one.id;
  const part = (tag, values) => {
    const element = Object.assign(document.createElement(tag), values);
    li.append(element);
    return element;
  };
  const key = part("button", { className: "key", textContent: one.id, title: "Paint this object" });
  key.setAttribute("aria-label", `Paint ${one.name}`);
  const color = part("input", { type: "color", value: one.color, title: "Color" });
  color.setAttribute("aria-label", `Color of ${one.name}`);
  const name = part("input", { className: "name", value: one.name, maxLength: 60, spellcheck: false });
  name.setAttribute("aria-label", `Name of object ${one.id}`);
  const toggle = (field, on, off, words) => {
    const button = part("button", { innerHTML: icon(one[field] ? on : off), title: words });
    button.setAttribute("aria-label", `${words}: ${one.name}`);
    button.setAttribute("aria-pressed", one[field]);
    button.onclick = () => {
      one[field] = !one[field];
      model.saveObjects();
      document.querySelector(`#objects li[data-id="${one.id}"] button[title="${words}"]`)?.focus();
    };
  };
  toggle("hidden", "eye-off", "eye", "Hide");
  toggle("locked", "lock", "unlock", "Lock");
  li.onclick = (event) => event.target.closest("button:not(.key), input[type=color]") || model.choose(one.id);
  color.oninput = () => {
    one.color = color.value;
    model.saveObjects();
  };
  name.onchange = () => {
    one.name = name.value.trim() || `Object ${one.id}`;
    model.saveObjects();
  };
  return li;
}
