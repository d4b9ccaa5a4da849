// A photograph on its way to its latents.

import { Mistake } from "./server.js";

const $ = (id) => document.getElementById(id);
const MOST = 20 * 2 ** 20; // bytes, as the server's
const PAUSE = 300; // ms between two looks

export function hidePhoto() {
  $("photo-state").hidden = true;
}

// Send a photograph and follow it: true once it can be edited, false where another took its place.
export async function invert(server, file) {
  if (file.size > MOST) throw new Mistake(`${file.name} has ${(file.size / 2 ** 20).toFixed(1)} MiB: 20 MiB are the most`);
  let progress = await server.sendPhoto(file, $("aligned").checked);
  const mine = progress.number;
  while (progress.number === mine) {
    show(progress);
    if (progress.failure) throw new Mistake(progress.failure);
    if (progress.state === "done") return true;
    await new Promise((wait) => setTimeout(wait, PAUSE));
    if ($("photo-state").hidden) return false;
    progress = await server.ask("/progress", {});
  }
  return false;
}

function show({ name, state, share, failure, crop }) {
  $("photo-state").hidden = Boolean(failure);
  $("photo-name").textContent = `${name}: ${state}`;
  $("photo-progress").value = share;
  $("photo-progress").hidden = state === "done";
  $("use-photo").disabled = state !== "done";
  $("crop").hidden = !crop;
  if (crop) $("crop").src = crop;
}
