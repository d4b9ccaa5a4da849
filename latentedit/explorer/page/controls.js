// The controls that are made while the page runs: sliders, check boxes, layers, scores, strip and ratings.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export const signed = (value) => (value === 0 ? "0" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`);

// Colour a slider from its zero to its thumb.
export function fill(slider) {
  const [low, high, value] = [slider.min, slider.max, slider.value].map(Number);
  const share = (number) => (100 * (number - low)) / (high - low);
  const ends = [share(Math.max(low, 0)), share(value)].sort((a, b) => a - b);
  slider.style.setProperty("--from", `${ends[0]}%`);
  slider.style.setProperty("--to", `${ends[1]}%`);
}

// A slider of one direction: `onMove(alpha, isDone)`, `onRemove()`.
export function makeSlider(name, alpha, { range, step }, onMove, onRemove) {
  const id = `alpha-${name.replace(/\W/g, "_")}`;
  const output = element("output", { htmlFor: id }, signed(alpha));
  const slider = element("input", { type: "range", id, min: -range, max: range, step });
  const set = (value, isDone) => {
    slider.value = value;
    output.textContent = signed(Number(slider.value));
    slider.setAttribute("aria-valuetext", `${signed(Number(slider.value))} sigma`);
    fill(slider);
    if (isDone !== null) onMove(Number(slider.value), isDone);
  };
  slider.addEventListener("input", () => set(slider.value, false));
  slider.addEventListener("change", () => set(slider.value, true));
  slider.addEventListener("dblclick", () => set(0, true));
  set(alpha, null);
  const remove = element("button", { className: "remove", title: `Remove ${name}`, ariaLabel: `Remove ${name}`, onclick: onRemove }, "×");
  const row = element("div", { className: "slider" }, element("label", { htmlFor: id }, name), output, remove, slider);
  row.dataset.direction = name;
  return { row, set };
}

export function makeChip(name, isChecked, onChange) {
  const box = element("input", { type: "checkbox", checked: isChecked, onchange: () => onChange(box.checked) });
  return element("label", {}, box, element("span", {}, name));
}

export function makeSegment(name, isChecked, onChange) {
  const radio = element("input", { type: "radio", name: "layers", value: name, checked: isChecked, onchange: onChange });
  return element("label", {}, radio, element("span", {}, name));
}

// A <select> of scorers, one group an assessor.
export function fillScorers(select, scorers, chosen) {
  const groups = Map.groupBy ? Map.groupBy(scorers, (name) => name.split(":")[0]) : new Map([["scores", scorers]]);
  for (const [assessor, names] of groups) {
    const options = names.map((name) => new Option(name.split(":")[1] ?? name, name, false, name === chosen));
    select.append(element("optgroup", { label: assessor }, ...options));
  }
  select.value = chosen;
}

export function fillStrip(strip, direction, faces, alpha, onChoose) {
  strip.replaceChildren(
    ...faces.map((face) => {
      const words = `${direction} ${signed(face.alpha)}, score ${face.score.toFixed(1)}`;
      const image = element("img", { src: face.image, alt: "" });
      const text = element("span", {}, signed(face.alpha), element("b", {}, face.score.toFixed(1)));
      const button = element("button", { ariaLabel: words, onclick: () => onChoose(face.alpha) }, image, text);
      button.setAttribute("aria-pressed", String(Math.abs(face.alpha - alpha) < 0.05));
      return button;
    }),
  );
}

export function fillOthers(list, changes) {
  const most = Math.max(5, ...changes.map(({ before, after }) => Math.abs(after - before)));
  const rows = changes.map(({ name, before, after }) => {
    const bar = element("i", { className: after < before ? "fell" : "rose" });
    bar.style.setProperty("--share", (Math.abs(after - before) / most).toFixed(3));
    const cells = [name, before.toFixed(0), after.toFixed(0), signed(after - before)];
    return element("tr", {}, ...cells.map((cell, i) => element(i ? "td" : "th", i ? {} : { scope: "row" }, cell)), element("td", {}, bar));
  });
  const heads = ["changed most", "before", "after", "by", ""].map((head) => element("th", { scope: "col" }, head));
  list.replaceChildren(element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)));
}
