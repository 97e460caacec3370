/** The pictures of this page, and the line in which they are sent and restored. */

import * as client from "./client.js";
import { Problem } from "./client.js";
import { onlyDial, request } from "./settings.js";

const AT_ONCE = 2; // so that two people who use one server take turns
const AGAIN_S = 5;

/** One picture: the file, what is wished for it, and how far it is. */
export class Item {
  static #made = 0;

  constructor(file, settings) {
    Item.#made += 1;
    this.key = Item.#made;
    this.file = file;
    this.name = file.name || "picture";
    this.url = URL.createObjectURL(file);
    this.settings = { ...settings };
    this.state = "queued"; // sending, waiting, working, done, failed, again
    this.picture = null; // as the server tells of it
    this.result = null;
    this.work = null;
    this.error = null;
    this.salvage = false; // it is damaged, and the part that decodes is wanted
    this.canSalvage = false;
    this.wanted = true;
    this.busy = false;
    this.gone = false;
    this.asked = null; // the request under way
    this.answered = null; // the one that the result came of
    this.again = null; // the timer of another try
    this.stop = null; // ends the following of the request under way
  }
}

export class Workshop extends EventTarget {
  items = [];
  looked = null; // the one on the screen: its turn comes first

  constructor(limits) {
    super();
    this.limits = limits;
  }

  add(files, settings) {
    const added = files.map((file) => new Item(file, settings));
    for (const item of added) {
      if (item.file.size === 0) this.#fail(item, "This file is empty.");
      else if (item.file.size > this.limits.upload_bytes) this.#fail(item, tooLarge(item.file, this.limits));
    }
    this.items.push(...added);
    this.#pump();
    return added;
  }

  /** Wish something else for a picture: a dial waits for the answer before it, all else does not. */
  wish(item, settings) {
    item.settings = { ...settings };
    if (item.state === "failed" && !item.picture) { // no settings make a picture of the file
      this.#told(item);
      return;
    }
    const wish = request(settings);
    const standing = item.asked ?? (item.state === "done" ? item.answered : null);
    item.wanted = !same(wish, standing);
    const waits = item.state === "working" && item.asked && onlyDial(item.asked, wish);
    if (item.wanted && item.asked && !waits) {
      item.stop.abort(new Replaced());
      item.asked = null;
    }
    this.#told(item);
    this.#pump();
  }

  /** Try what failed once more; of a damaged file, the part that decodes. */
  retry(item) {
    clearTimeout(item.again);
    item.salvage ||= item.canSalvage;
    item.canSalvage = false;
    item.again = null;
    item.error = null;
    item.state = "queued";
    item.wanted = true;
    this.#told(item);
    this.#pump();
  }

  /** After a 404: send those again that the server no longer has. Returns how many. */
  async renew(items) {
    let lost = 0;
    for (const item of items) {
      try {
        await client.picture(item.picture.id);
      } catch (problem) {
        if (problem.status !== 404) throw problem;
        lost += 1;
        item.picture = null;
        item.result = null;
        this.retry(item);
      }
    }
    return lost;
  }

  remove(item) {
    item.gone = true;
    item.wanted = false;
    clearTimeout(item.again);
    item.stop?.abort(new Replaced());
    URL.revokeObjectURL(item.url);
    this.items = this.items.filter((other) => other !== item);
    if (item.picture) client.remove(item.picture.id).catch(() => {}); // it is deleted in time anyway
    this.#pump();
  }

  #told(item) {
    if (!item.gone) this.dispatchEvent(new CustomEvent("change", { detail: item }));
  }

  #set(item, state) {
    item.state = state;
    this.#told(item);
  }

  #fail(item, sentence) {
    item.error = sentence;
    item.wanted = false;
    this.#set(item, "failed");
  }

  #pump() {
    const ready = this.items.filter((item) => item.wanted && !item.busy && !item.again);
    ready.sort((a, b) => Number(b === this.looked) - Number(a === this.looked));
    let free = AT_ONCE - this.items.filter((item) => item.busy).length;
    for (const item of ready) {
      if (free <= 0) break;
      free -= 1;
      this.#run(item);
    }
  }

  async #run(item) {
    item.busy = true;
    item.error = null;
    try {
      for (let sent = 0; item.wanted && !item.gone; ) {
        try {
          if (!item.picture) await this.#send(item);
          if (!item.gone) await this.#restore(item);
        } catch (problem) {
          if (problem.status !== 404 || sent > 0) throw problem;
          sent += 1; // it was kept for long enough and is gone: the file is still here
          item.picture = null;
          item.result = null;
          item.wanted = true;
        }
      }
    } catch (problem) {
      this.#failed(item, problem);
    } finally {
      item.busy = false;
      item.asked = null;
      this.#pump();
    }
  }

  async #send(item) {
    this.#set(item, "sending");
    const picture = await client.upload(item.file, item.name, item.salvage);
    if (item.gone) {
      client.remove(picture.id).catch(() => {});
      return;
    }
    item.picture = picture;
    this.#set(item, "waiting");
  }

  async #restore(item) {
    const wish = request(item.settings);
    item.wanted = false;
    item.asked = wish;
    item.stop = new AbortController();
    try {
      const { id } = item.picture;
      const { work } = await client.restore(id, wish);
      const onWork = (news) => {
        if (item.stop.signal.aborted) return;
        item.work = news;
        if (news.state === "waiting" || news.state === "working") this.#set(item, news.state);
      };
      onWork(work);
      const last = await client.follow(id, work.version, onWork, item.stop.signal);
      if (last.state === "failed") throw new Problem(422, last.error ?? "This did not work.");
      if (last.state === "stopped") throw new Problem(409, last.error ?? "It was stopped.");
      item.picture = await client.picture(id);
      item.result = item.picture.result;
      item.answered = wish;
      if (!item.wanted) item.state = "done";
      this.#told(item);
    } catch (error) {
      if (!(error instanceof Replaced)) throw error;
    } finally {
      item.asked = null;
    }
  }

  #failed(item, problem) {
    if (item.gone) return;
    if (!(problem instanceof Problem)) {
      this.#fail(item, "Something on this page went wrong.");
      console.error(problem);
      return;
    }
    if (problem.status !== 503) {
      item.canSalvage = problem.salvage;
      this.#fail(item, problem.message);
      return;
    }
    const wait = problem.retry_s ?? AGAIN_S;
    item.error = `${problem.message} Trying again in ${Math.ceil(wait)} s.`;
    item.wanted = true;
    item.again = setTimeout(() => {
      item.again = null;
      this.#pump();
    }, wait * 1000);
    this.#set(item, "again");
  }
}

/** Whether two requests ask for the same; null is no request. */
const same = (wish, other) => other !== null && JSON.stringify(wish) === JSON.stringify(other);

/** A wish gave way to a later one. */
class Replaced extends Error {}

const tooLarge = (file, { upload_bytes }) =>
  `This file has ${megabytes(file.size)}; ${megabytes(upload_bytes)} are taken at most.`;

const megabytes = (bytes) => `${Math.ceil(bytes / 1e5) / 10} MB`;
