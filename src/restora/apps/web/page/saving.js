/** Downloads: one picture or all of them, in the format that is chosen. */

import * as client from "./client.js";
import { byId, element, saveBlob, say } from "./dom.js";

export class Saving {
  #about;
  #renew;

  /** one() gives the picture that is looked at, all() every one; renew(items) brings back what the server lost. */
  constructor(about, { one, all, renew }) {
    this.#about = about;
    this.#renew = renew;
    const select = byId("format");
    select.append(...about.formats.map(({ name, title }) => element("option", { value: name }, title)));
    if (about.formats.some(({ name }) => name === "png")) select.value = "png"; // nothing is lost unasked
    select.onchange = () => this.#tell();
    byId("download").onclick = () =>
      this.#save(byId("download"), byId("save-error"), [one()], ([id]) => client.file(id, ...this.#chosen()));
    byId("zip").onclick = () => {
      const ready = all().filter((item) => item.result && item.picture);
      this.#save(byId("zip"), byId("zip-error"), ready, (ids) => client.zip(ids, ...this.#chosen()));
    };
    this.#tell();
  }

  /** A result can be had, or not yet. */
  show(item) {
    const button = byId("download");
    if (!button.dataset.busy) button.disabled = !item?.result;
    if (button.dataset.key !== String(item?.key)) say(byId("save-error"), null);
    button.dataset.key = String(item?.key);
  }

  #chosen() {
    const quality = byId("jpeg-quality");
    return [byId("format").value, quality.checkValidity() && quality.value ? quality.valueAsNumber : 95];
  }

  #tell() {
    const format = this.#about.formats.find(({ name }) => name === byId("format").value);
    byId("jpeg-quality-box").hidden = format?.name !== "jpeg";
    const loss = format?.lossless ? "" : ` ${format?.title} loses a little again.`;
    byId("save-says").textContent = `Date, place and colour profile are kept.${loss}`;
  }

  async #bringBack(items, trouble) {
    try {
      if (await this.#renew(items)) say(trouble, "The server had deleted this. It is restored again; please download it then.");
    } catch (problem) {
      say(trouble, problem.message);
    }
  }

  async #save(button, trouble, items, fetched) {
    const label = button.textContent;
    say(trouble, null);
    button.disabled = true;
    button.dataset.busy = "1";
    button.textContent = "Preparing";
    try {
      const got = await fetched(items.map((item) => item.picture.id));
      saveBlob(got.blob, got.name ?? items[0].name);
    } catch (problem) {
      say(trouble, problem.message);
      if (problem.status === 404) await this.#bringBack(items, trouble);
    } finally {
      delete button.dataset.busy;
      button.disabled = false;
      button.textContent = label;
    }
  }
}
