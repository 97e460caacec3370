/** The page: joins what comes in, the work, the viewer and the settings. */

import * as client from "./client.js";
import { Controls } from "./controls.js";
import { announce, byId, count, element, say } from "./dom.js";
import { listen } from "./intake.js";
import { List } from "./list.js";
import { Saving } from "./saving.js";
import { AUTOMATIC } from "./settings.js";
import { needs, tellDone, tellInspected } from "./told.js";
import { Viewer } from "./viewer.js";
import { sentence, spoken } from "./words.js";
import { Workshop } from "./work.js";

const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

async function start() {
  const early = []; // what comes in before the server has told what it takes
  let take = (files) => early.push(...files);
  listen((files) => take(files));
  let about;
  try {
    about = await client.about();
  } catch (problem) {
    say(byId("trouble"), problem.message);
    return;
  }
  const page = new Page(about);
  take = (files) => page.take(files);
  page.take(early);
}

class Page {
  #about;
  #shop;
  #viewer = new Viewer();
  #controls;
  #saving;
  #list;
  #common = { ...AUTOMATIC }; // for pictures to come
  #item = null; // that is looked at
  #spoken = new Map();
  #fading = null;

  constructor(about) {
    this.#about = about;
    this.#shop = new Workshop(about.limits);
    this.#shop.addEventListener("change", ({ detail }) => this.#changed(detail));
    this.#controls = new Controls(about, { change: (settings) => this.#set(settings) });
    this.#saving = new Saving(about, { one: () => this.#item, all: () => this.#shop.items, renew: (items) => this.#shop.renew(items) });
    this.#list = new List({ look: (item) => this.#look(item), remove: (item) => this.#remove(item) });
    byId("again").onclick = () => this.#shop.retry(this.#item);
    byId("for-all").onclick = () => this.#useForAll();
    byId("remove-all").onclick = () => this.#removeAll();
    byId("suggest").onclick = () => this.#controls.setTask("auto");
    this.#foot();
    this.#examples();
  }

  /** Take files in, with the settings that are for all. */
  take(files) {
    this.#take(files, this.#common);
  }

  #take(files, settings) {
    if (!files.length) return;
    const added = this.#shop.add(files, settings);
    document.body.classList.add("open");
    for (const id of ["viewer", "strip", "panel"]) byId(id).hidden = false;
    for (const item of added) this.#list.add(item);
    this.#look(added[0]);
    this.#list.summary(this.#shop.items);
    if (added.length > 1) announce(`${count(added.length, "picture")} added`);
  }

  #look(item) {
    this.#item = item;
    this.#shop.looked = item;
    this.#viewer.clear();
    this.#list.mark(item);
    byId("name").textContent = item.name;
    const size = item.result ?? item.picture;
    if (size) this.#viewer.resize(size.width_px, size.height_px);
    this.#before(item);
    this.#render();
  }

  /** The local file at once; the server's picture of it where a browser cannot show the file. */
  async #before(item) {
    const alt = `${item.name}, before`;
    const remote = item.picture && (!item.picture.browser_shows || item.localFails);
    if (!remote && item.localFails) return; // the server will have to show it
    try {
      const size = await this.#viewer.show("before", remote ? client.beforeUrl(item.picture.id) : item.url, alt);
      if (size && !remote && !item.picture) this.#viewer.resize(size.width, size.height);
    } catch {
      if (remote || item !== this.#item) return;
      item.localFails = true;
      if (item.picture) this.#before(item);
    }
  }

  async #after(item) {
    const { result, picture } = item;
    if (!result) {
      this.#viewer.hideAfter();
      return;
    }
    try {
      const url = client.afterUrl(picture.id, result.version);
      const size = await this.#viewer.show("after", url, `${item.name}, restored`);
      if (size) this.#viewer.resize(result.width_px, result.height_px);
    } catch {
      // A later version took its place, and its own answer brings it; or the server is busy.
      setTimeout(() => item === this.#item && item.result === result && this.#after(item), 2000);
    }
  }

  #changed(item) {
    this.#list.update(item);
    this.#list.summary(this.#shop.items);
    if (item.picture && !item.picture.browser_shows) this.#list.redraw(item, client.beforeUrl(item.picture.id));
    if (item !== this.#item) return;
    if (this.#spoken.get(item) !== item.state) announce(spoken(item));
    this.#spoken.set(item, item.state);
    if (item.picture) this.#before(item);
    this.#render();
  }

  /** Everything on the page that tells of the picture that is looked at. */
  #render() {
    const item = this.#item;
    if (item.picture && !item.result) this.#viewer.resize(item.picture.width_px, item.picture.height_px);
    this.#after(item);
    this.#progress(item);
    tellInspected(item.picture);
    tellDone(item.result);
    const task = needs(item, this.#about.tasks);
    say(byId("suggest"), task && `Repair this too: ${task.title}`);
    this.#controls.show(item);
    this.#saving.show(item);
    byId("for-all").hidden = this.#shop.items.length < 2;
  }

  #progress(item) {
    const { state, work } = item;
    const failed = state === "failed" || state === "again";
    byId("progress").hidden = failed;
    byId("progress").dataset.state = state;
    this.#fade(state === "done");
    byId("progress-text").textContent = sentence(item);
    const bar = byId("progress-bar");
    bar.hidden = state !== "working";
    if (work?.total) bar.value = work.done / work.total;
    else bar.removeAttribute("value"); // nobody knows yet how much there is to do
    byId("failed").hidden = !failed;
    if (failed && byId("error").textContent !== item.error) byId("error").textContent = item.error;
    byId("again").hidden = state !== "failed";
    byId("again").textContent = item.canSalvage ? "Restore the part that decodes" : "Try again";
  }

  /** How long it took is worth a moment, then the picture is. */
  #fade(done) {
    if (done && this.#fading) return;
    clearTimeout(this.#fading);
    this.#fading = done ? setTimeout(() => byId("progress").classList.add("past"), 3000) : null;
    byId("progress").classList.remove("past");
  }

  #set(settings) {
    this.#shop.wish(this.#item, settings);
    this.#render();
  }

  #useForAll() {
    const { settings } = this.#item;
    this.#common = { ...settings };
    for (const item of this.#shop.items) {
      if (item !== this.#item) this.#shop.wish(item, settings);
    }
    announce(`Used for ${count(this.#shop.items.length, "picture")}`);
  }

  #remove(item) {
    const at = this.#shop.items.indexOf(item);
    this.#shop.remove(item);
    this.#list.drop(item);
    this.#spoken.delete(item);
    const { items } = this.#shop;
    if (!items.length) {
      this.#clear();
      return;
    }
    const next = items[Math.min(at, items.length - 1)];
    if (item === this.#item) this.#look(next);
    this.#list.focus(next);
    this.#list.summary(items);
  }

  #removeAll() {
    for (const item of [...this.#shop.items]) {
      this.#shop.remove(item);
      this.#list.drop(item);
    }
    this.#clear();
  }

  #clear() {
    this.#item = null;
    this.#shop.looked = null;
    this.#spoken.clear();
    this.#common = { ...AUTOMATIC };
    this.#viewer.clear();
    document.body.classList.remove("open");
    for (const id of ["viewer", "strip", "panel"]) byId(id).hidden = true;
    announce("All pictures are removed");
    byId("choose").focus();
  }

  #foot() {
    const { version, limits } = this.#about;
    const minutes = count(Math.max(1, Math.round(limits.kept_s / 60)), "minute");
    const where = LOCAL.includes(location.hostname) ? "stay on this computer" : "go to this server and nowhere else";
    byId("stays").textContent = `Pictures ${where}, and are deleted ${minutes} after their last use.`;
    byId("version").textContent = `Restora ${version}`;
  }

  #examples() {
    const { examples } = this.#about;
    byId("examples-box").hidden = !examples.length;
    byId("examples").append(
      ...examples.map((example) => {
        const button = element(
          "button",
          { type: "button", "data-testid": "example", "data-name": example.name },
          element("img", { src: example.url, alt: "", loading: "lazy" }),
          element("strong", {}, example.title),
          element("span", {}, example.says),
        );
        button.onclick = () => this.#tryExample(example);
        return element("li", {}, button);
      }),
    );
  }

  async #tryExample(example) {
    say(byId("trouble"), null);
    try {
      const { blob } = await client.example(example.url);
      const name = decodeURIComponent(example.url.split("/").pop());
      this.#take([new File([blob], name, { type: blob.type })], { ...AUTOMATIC, ...example.settings });
    } catch (problem) {
      say(byId("trouble"), problem.message);
    }
  }
}

start();
