/** The strip of pictures: thumbnail, name, state and progress of each. */

import { byId, count, element, say } from "./dom.js";
import { draw } from "./thumbnails.js";
import { word } from "./words.js";

export class List {
  #rows = new Map();

  /** look(item) and remove(item) are called when the user asks for them. */
  constructor({ look, remove }) {
    this.look = look;
    this.remove = remove;
  }

  add(item) {
    const blank = element("span", { class: "blank" });
    const state = element("span", { class: "state", "data-testid": "item-state" });
    const bar = element("progress", { max: "1", value: "0", "aria-hidden": "true" });
    const name = element("span", { class: "name", title: item.name }, item.name);
    const button = element("button", { type: "button", class: "item", "data-testid": "item" }, blank, name, state, bar);
    const cross = element(
      "button",
      { type: "button", class: "remove", "aria-label": `Remove ${item.name}`, "data-testid": "remove" },
      element("span", { "aria-hidden": "true" }, "×"),
    );
    button.onclick = () => this.look(item);
    cross.onclick = () => this.remove(item);
    const row = element("li", { "data-testid": "list-item", "data-key": String(item.key) }, button, cross);
    this.#rows.set(item, { row, button, state, bar, blank, drawn: null });
    byId("list").append(row);
    this.#thumbnail(item, item.file);
    this.update(item);
  }

  drop(item) {
    this.#rows.get(item)?.row.remove();
    this.#rows.delete(item);
  }

  /** Draw a thumbnail again, from something the browser can show. */
  redraw(item, url) {
    const parts = this.#rows.get(item);
    if (!parts || parts.drawn) return;
    fetch(url)
      .then((answer) => answer.blob())
      .then((blob) => this.#thumbnail(item, blob))
      .catch(() => {}); // a picture without a thumbnail is still one
  }

  #thumbnail(item, blob) {
    draw(blob).then((canvas) => {
      const parts = this.#rows.get(item);
      if (!parts || !canvas || parts.drawn) return;
      parts.blank.replaceWith(canvas);
      parts.drawn = canvas;
    });
  }

  update(item) {
    const parts = this.#rows.get(item);
    if (!parts) return;
    parts.state.textContent = word(item);
    parts.row.dataset.state = item.state;
    parts.button.classList.toggle("bad", item.state === "failed");
    parts.bar.classList.toggle("on", item.state === "working" && item.work.total > 0);
    if (item.work?.total) parts.bar.value = item.work.done / item.work.total;
  }

  /** Mark the picture that is looked at. */
  mark(item) {
    for (const [other, { button }] of this.#rows) {
      if (other === item) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    this.#rows.get(item)?.row.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  focus(item) {
    this.#rows.get(item)?.button.focus();
  }

  /** What all of them come to. */
  summary(items) {
    const done = items.filter((item) => item.result).length;
    const failed = items.filter((item) => item.state === "failed").length;
    const parts = [count(items.length, "picture")];
    if (items.length > 1 || failed) parts.push(`${done} restored`);
    if (failed) parts.push(`${failed} failed`);
    say(byId("count"), parts.join(", "));
    byId("zip").hidden = items.length < 2;
    byId("zip").disabled = done === 0;
    byId("remove-all").hidden = items.length < 2;
  }
}
