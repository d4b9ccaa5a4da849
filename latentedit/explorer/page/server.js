// What the page asks of its server, which may be gone for a while or not know this visit any more.

const JSON_TYPE = "application/json";
const RETRY = 1000; // ms between two looks for a server that is gone

export class Mistake extends Error {}

export class Server {
  constructor({ onLost, onFound }) {
    this.visit = "";
    this.onLost = onLost;
    this.onFound = onFound;
    this.waiting = null;
  }

  // Begin a visit: what there is to choose from.
  async open() {
    const about = await this.ask("/visit", {});
    this.visit = about.visit;
    return about;
  }

  async ask(path, data) {
    return read(await this.fetch(path, data));
  }

  async save(data) {
    const reply = await this.fetch("/save", data);
    const named = /filename="([^"]*)"/.exec(reply.headers.get("Content-Disposition") ?? "");
    if (!named) return read(reply);
    const name = named[1];
    return { name, blob: await reply.blob() };
  }

  async sendPhoto(file, isAligned) {
    const headers = { "Content-Type": "application/octet-stream", "X-Name": encodeURIComponent(file.name) };
    return read(await this.send("/photo", { ...headers, "X-Aligned": isAligned ? "yes" : "no" }, file));
  }

  fetch(path, data) {
    return this.send(path, { "Content-Type": JSON_TYPE }, JSON.stringify(data));
  }

  async send(path, headers, body) {
    let reply;
    try {
      reply = await fetch(path, { method: "POST", headers: { ...headers, "X-Visit": this.visit }, body });
    } catch {
      this.lose();
      throw new Mistake("");
    }
    if (reply.status === 410) {
      this.lose();
      throw new Mistake("");
    }
    return reply;
  }

  // Look for the server until it answers, then begin anew.
  lose() {
    if (this.waiting) return;
    this.onLost();
    this.waiting = setInterval(async () => {
      const isBack = await fetch("/icon.svg").then((reply) => reply.ok, () => false);
      if (!isBack || !this.waiting) return;
      clearInterval(this.waiting);
      this.waiting = null;
      this.onFound();
    }, RETRY);
  }
}

async function read(reply) {
  const data = await reply.json();
  if (data.error) throw new Mistake(data.error);
  return data;
}
