// The faces and their scores, repainted as fast as the server answers: one request at a time, the newest next.

import { Mistake } from "./server.js";

const $ = (id) => document.getElementById(id);
const percent = (share) => `${(100 * Math.min(1, Math.max(0, share))).toFixed(2)}%`;

export class Faces {
  constructor(server, { read, onPainted, onMistake }) {
    Object.assign(this, { server, read, onPainted, onMistake });
    this.number = 0;
    this.wanted = null;
    this.isBusy = false;
    this.before = null;
    this.after = null;
  }

  // Ask for a picture of the controls as they are; `both` also paints the face before the edit.
  paint({ preview = false, both = false } = {}) {
    const since = this.wanted?.since ?? performance.now();
    this.wanted = { preview, both: both || Boolean(this.wanted?.both) || !this.before, since };
    if (!this.isBusy) this.run();
  }

  async run() {
    this.isBusy = true;
    while (this.wanted) {
      const { preview, both, since } = this.wanted;
      this.wanted = null;
      try {
        const reply = await this.server.ask("/face", { ...this.read(), number: ++this.number, preview, both });
        if (!reply.stale) await this.show(reply, preview, since);
      } catch (error) {
        if (!(error instanceof Mistake)) throw error;
        if (error.message) this.onMistake(error.message);
      }
    }
    this.isBusy = false;
  }

  async show(reply, preview, since) {
    if (reply.before) {
      this.before = reply.before;
      await show($("before"), reply.before.image);
    }
    this.after = reply.after;
    await show($("after"), reply.after.image);
    this.showScore();
    performance.measure(preview ? "preview" : "repaint", { start: since, end: performance.now() });
    this.onPainted(reply, preview);
  }

  showScore() {
    const { before, after } = this;
    const digits = after.range[1] - after.range[0] > 10 ? 1 : 3;
    const change = after.score - before.score;
    const write = ({ score, interval }) => score.toFixed(digits) + (interval ? ` [${interval.map(Math.round).join(", ")}]` : "");
    $("score-before").textContent = write(before);
    $("score-after").textContent = write(after);
    $("score-change").textContent = (change < 0 ? "−" : "+") + Math.abs(change).toFixed(digits);
    $("score-hint").textContent = after.interval ? "[ ] is where people's mean rating of such a face lies nine times in ten." : "";
    place("before", before);
    place("after", after);
    $("before").querySelector("img").alt = `The face before the edit, ${after.name} ${before.score.toFixed(digits)}`;
    $("after").querySelector("img").alt = `The face after the edit, ${after.name} ${after.score.toFixed(digits)}`;
  }
}

// Swap a picture only once it is decoded, so that nothing flickers.
async function show(figure, address) {
  const image = figure.querySelector("img");
  image.src = address;
  await image.decode().catch(() => {});
}

function place(when, { score, interval, range: [low, high] }) {
  const at = (value) => (value - low) / (high - low);
  $(`dot-${when}`).style.setProperty("--at", percent(at(score)));
  const bar = $(`interval-${when}`);
  bar.hidden = !interval;
  if (!interval) return;
  bar.style.setProperty("--from", percent(at(interval[0])));
  bar.style.setProperty("--to", percent(1 - at(interval[1])));
}

// The ratings that the edit changed most, beside the one that it is about.
export function listChanges(before, after, most) {
  const scored = after.name.split(":")[1];
  return Object.keys(after.others)
    .filter((name) => name !== scored && name in before.others)
    .map((name) => ({ name, before: before.others[name], after: after.others[name] }))
    .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before))
    .slice(0, most);
}
