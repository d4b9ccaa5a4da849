// The page: one state, the controls that change it, and the faces that follow.

import { fill, fillOthers, fillScorers, fillStrip, makeChip, makeSegment, makeSlider } from "./controls.js";
import { Faces, listChanges } from "./faces.js";
import { hidePhoto, invert } from "./photo.js";
import { Mistake, Server } from "./server.js";

const $ = (id) => document.getElementById(id);
const FIRST = ["w_sq", "smile", "age", "gender"];
const LAYERS = ["all", "coarse", "middle", "fine"];
const DEFAULTS = { seed: 1, psi: 0.7, from_photo: false, alphas: {}, keep: [], layers: "all", scorer: "" };
const MEMORY = "latentedit";

let about = null;
let active = null; // the direction that was moved last
const sliders = new Map();
const state = { ...DEFAULTS, ...JSON.parse(sessionStorage.getItem(MEMORY) ?? "{}") };
const server = new Server({
  onLost: () => tell("The server is gone. Start it again with latentedit explore: this page goes on by itself.", true),
  onFound: start,
});
const faces = new Faces(server, { read: () => state, onPainted, onMistake: (text) => tell(text) });

function tell(text, isLasting = false) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
  $("notice").classList.toggle("lasting", isLasting);
}

function paint(options) {
  tell("");
  sessionStorage.setItem(MEMORY, JSON.stringify(state));
  faces.paint(options);
}

async function attempt(act) {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    if (error.message) tell(error.message);
    return null;
  }
}

async function start() {
  const found = await attempt(() => server.open());
  if (!found) return;
  about = found;
  $("network").textContent = `${about.network}, ${about.resolution} × ${about.resolution} px`;
  $("network").title = about.licence ?? "";
  $("show-heat").hidden = !about.explains;
  if (state.from_photo) state.from_photo = false; // a photograph lives no longer than its visit
  hidePhoto();
  build();
  paint({ both: true });
}

function build() {
  const known = about.directions.map(({ name }) => name);
  if (!Object.keys(state.alphas).length) {
    const first = FIRST.filter((name) => known.includes(name));
    for (const name of first.length ? first : known.slice(0, 4)) state.alphas[name] = 0;
  }
  if (!about.scorers.includes(state.scorer)) state.scorer = about.scorers[0];
  $("known").replaceChildren(...known.map((name) => new Option(name)));
  const conditions = about.directions.filter((one) => one.space === "w" && !one.is_conditioned);
  $("keep").replaceChildren(...conditions.map(({ name }) => makeChip(name, state.keep.includes(name), (on) => keep(name, on))));
  $("layers").replaceChildren(...LAYERS.map((name) => makeSegment(name, state.layers === name, () => chooseLayers(name))));
  $("layers-text").value = LAYERS.includes(state.layers) ? "" : state.layers;
  $("scorer").replaceChildren();
  fillScorers($("scorer"), about.scorers, state.scorer);
  buildSliders();
  showFace();
}

function buildSliders() {
  sliders.clear();
  for (const [name, alpha] of Object.entries(state.alphas)) {
    const onRemove = () => {
      delete state.alphas[name];
      if (active === name) active = null;
      buildSliders();
      paint();
    };
    sliders.set(name, makeSlider(name, alpha, about, (value, isDone) => move(name, value, isDone), onRemove));
  }
  $("sliders").replaceChildren(...[...sliders.values()].map(({ row }) => row));
}

function move(name, alpha, isDone) {
  state.alphas[name] = alpha;
  active = name;
  paint({ preview: !isDone });
}

function keep(name, isOn) {
  state.keep = isOn ? [...state.keep, name] : state.keep.filter((other) => other !== name);
  paint();
}

function chooseLayers(text) {
  state.layers = text;
  for (const radio of $("layers").querySelectorAll("input")) radio.checked = radio.value === text;
  paint();
}

function showFace() {
  $("seed").value = state.seed;
  $("psi").value = state.psi;
  $("psi-value").textContent = state.psi.toFixed(2);
  fill($("psi"));
  $("psi").disabled = state.from_photo;
  $("use-photo").setAttribute("aria-pressed", String(state.from_photo));
}

function chooseSeed(seed) {
  state.seed = seed;
  state.from_photo = false;
  showFace();
  paint({ both: true });
}

function onPainted(reply, isPreview) {
  if (isPreview) return;
  $("commands").textContent = reply.commands.join("\n");
  $("show-heat").setAttribute("aria-pressed", "false");
  $("status").textContent = `${state.scorer} ${$("score-before").textContent} before, ${$("score-after").textContent} after`;
  if (!$("strip").hidden) showStrip();
  if (!$("others").hidden) fillOthers($("others"), listChanges(faces.before, faces.after, 8));
}

async function showStrip() {
  const direction = active ?? Object.keys(state.alphas)[0];
  const reply = await attempt(() => server.ask("/strip", { ...state, direction }));
  if (reply) fillStrip($("strip"), direction, reply.faces, state.alphas[direction], (alpha) => sliders.get(direction).set(alpha, true));
}

function toggle(button, part) {
  const isOpen = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(isOpen));
  part.hidden = !isOpen;
  return isOpen;
}

async function save(button) {
  const kind = button.value;
  button.disabled = true;
  $("status").textContent = `making the ${kind}`;
  const direction = active ?? Object.keys(state.alphas)[0];
  const file = await attempt(() => server.save({ ...state, kind, direction }));
  button.disabled = false;
  button.focus();
  if (!file) return;
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file.blob), download: file.name });
  link.click();
  URL.revokeObjectURL(link.href);
  $("status").textContent = `saved ${file.name}`;
}

async function openFile(file) {
  if (file.name.endsWith(".json")) return openEdit(await file.text());
  tell("");
  const isFound = await attempt(() => invert(server, file));
  return isFound && usePhoto(true);
}

function openEdit(text) {
  try {
    const edit = JSON.parse(text);
    for (const key of Object.keys(DEFAULTS)) if (key in edit) state[key] = edit[key];
  } catch {
    return tell("This is no edit that the page saved.");
  }
  state.from_photo = false;
  build();
  return paint({ both: true });
}

function usePhoto(isUsed) {
  state.from_photo = isUsed;
  showFace();
  paint({ both: true });
}

$("seed").addEventListener("change", () => chooseSeed(Math.max(0, Math.min(2 ** 32 - 1, Math.round(Number($("seed").value)) || 0))));
$("random").addEventListener("click", () => chooseSeed(Math.floor(Math.random() * 1e6)));
for (const event of ["input", "change"]) {
  $("psi").addEventListener(event, () => {
    state.psi = Number($("psi").value);
    showFace();
    paint({ both: true, preview: event === "input" });
  });
}
$("psi").addEventListener("dblclick", () => {
  state.psi = DEFAULTS.psi;
  showFace();
  paint({ both: true });
});
$("add").addEventListener("change", () => {
  const name = $("add").value.trim();
  $("add").value = "";
  if (!name || name in state.alphas) return;
  state.alphas[name] = 0;
  active = name;
  buildSliders();
  paint();
});
$("reset").addEventListener("click", () => {
  for (const name of Object.keys(state.alphas)) state.alphas[name] = 0;
  buildSliders();
  paint();
});
$("layers-text").addEventListener("change", () => chooseLayers($("layers-text").value.trim() || "all"));
$("scorer").addEventListener("change", () => {
  state.scorer = $("scorer").value;
  paint({ both: true });
});
$("show-strip").addEventListener("click", () => toggle($("show-strip"), $("strip")) && showStrip());
$("show-others").addEventListener("click", () => {
  if (toggle($("show-others"), $("others"))) fillOthers($("others"), listChanges(faces.before, faces.after, 8));
});
$("show-heat").addEventListener("click", async () => {
  const isOn = $("show-heat").getAttribute("aria-pressed") !== "true";
  const { number } = faces;
  $("show-heat").disabled = true;
  $("after").ariaBusy = isOn;
  const reply = isOn ? await attempt(() => server.ask("/explain", state)) : { image: faces.after.image };
  $("show-heat").disabled = false;
  $("after").ariaBusy = false;
  if (!reply || number !== faces.number) return; // the face has changed meanwhile
  $("after").querySelector("img").src = reply.image;
  $("show-heat").setAttribute("aria-pressed", String(isOn));
});
for (const button of $("save").querySelectorAll("button")) button.addEventListener("click", () => save(button));
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("commands").textContent);
  $("status").textContent = "copied";
});
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (file) openFile(file);
});
$("use-photo").addEventListener("click", () => usePhoto(!state.from_photo));
$("forget").addEventListener("click", async () => {
  await attempt(() => server.ask("/forget", {}));
  hidePhoto();
  if (state.from_photo) usePhoto(false);
});
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input:not([type=range]):not([type=checkbox]):not([type=radio]), select");
  if (event.key.toLowerCase() === "r" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) $("random").click();
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) openFile(file);
});

start();
