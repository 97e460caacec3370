/** Downloads: one picture or all of them, in the format that is chosen. */

import * as client from "./client.js";
import { byId, element, saveBlob, say } from "./dom.js";

export class Saving {
  #about;

  /** one() gives the picture that is looked at, all() every one. */
  constructor(about, { one, all }) {
    this.#about = about;
    const select = byId("format");
    select.append(...about.formats.map(({ name, title }) => element("option", { value: name }, title)));
    select.onchange = () => this.#tell();
    byId("download").onclick = () =>
      this.#save(byId("download"), byId("save-error"), () => client.file(one().picture.id, ...this.#chosen()), one().name);
    byId("zip").onclick = () => {
      const ids = all().filter((item) => item.result).map((item) => item.picture.id);
      this.#save(byId("zip"), byId("zip-error"), () => client.zip(ids, ...this.#chosen()), "restored.zip");
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
    const lossless = format?.lossless ? "Nothing is lost again." : "A little is lost again.";
    const alpha = format?.alpha === false ? " It holds no transparency." : "";
    byId("save-says").textContent = `Date, place and colour profile are kept. ${lossless}${alpha}`;
  }

  async #save(button, trouble, fetched, name) {
    const label = button.textContent;
    say(trouble, null);
    button.disabled = true;
    button.dataset.busy = "1";
    button.textContent = "Preparing";
    try {
      const got = await fetched();
      saveBlob(got.blob, got.name ?? name);
    } catch (problem) {
      say(trouble, problem.message);
    } finally {
      delete button.dataset.busy;
      button.disabled = false;
      button.textContent = label;
    }
  }
}
