/** The settings of the picture that is looked at: the dial, the words, and all else. */

import { byId, element } from "./dom.js";
import { AUTOMATIC, belonging, isAutomatic, sourceWords } from "./settings.js";

const NUMBERS = ["seed", "steps", "samples", "text_guidance", "image_guidance", "temperature"];
const CHOICES = { ensemble: Number, bits: Number, upscale: Number, constraint: String, color_fix: String, model: String };

export class Controls {
  #settings = { ...AUTOMATIC };
  #about;
  #change;

  /** change(settings) is called for whatever the user sets. */
  constructor(about, { change }) {
    this.#about = about;
    this.#change = change;
    byId("task").append(...about.tasks.map(({ name, title }) => element("option", { value: name }, title)));
    byId("settings").onsubmit = (event) => event.preventDefault();
    byId("task").onchange = (event) => this.setTask(event.target.value);
    byId("quality").oninput = (event) => this.#set({ quality: event.target.valueAsNumber });
    byId("auto").onchange = (event) =>
      this.#set({ quality: event.target.checked ? null : byId("quality").valueAsNumber });
    byId("strength").oninput = (event) => this.#set({ strength: event.target.valueAsNumber });
    byId("prompt").onchange = (event) => this.#set({ prompt: event.target.value });
    byId("prompt").onkeydown = (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#set({ prompt: event.target.value });
    };
    byId("prompt-use").onclick = () => this.#set({ prompt: byId("prompt").value });
    byId("prompt-auto").onchange = (event) =>
      this.#set({ prompt: event.target.checked ? null : byId("prompt").value });
    byId("negative_prompt").onchange = (event) => this.#set({ negative_prompt: event.target.value || null });
    for (const name of NUMBERS) byId(name).onchange = (event) => this.#number(name, event.target);
    for (const [name, type] of Object.entries(CHOICES)) {
      byId(name).onchange = (event) => this.#set({ [name]: event.target.value ? type(event.target.value) : null });
    }
    byId("automatic").onclick = () => this.#set({ ...AUTOMATIC });
  }

  /** Another task: what was set for it alone is kept, and a model that cannot do it is not. */
  setTask(task) {
    const able = this.#about.models.find(({ name }) => name === this.#settings.model)?.tasks.includes(task);
    this.#set({ task, ...(able ? {} : { model: null }) });
  }

  /** Show the settings of a picture, and what the program chose where it was left to it. */
  show(item) {
    this.#settings = { ...item.settings };
    const { settings } = item;
    const belongs = belonging(settings);
    for (const field of document.querySelectorAll("[data-setting]")) {
      field.hidden = !belongs.has(field.dataset.setting);
    }
    const task = this.#about.tasks.find(({ name }) => name === settings.task);
    byId("task").value = settings.task;
    byId("task-says").textContent = task?.says ?? "";
    this.#showQuality(item);
    byId("strength").value = settings.strength;
    byId("strength-says").value = `${settings.strength} %`;
    this.#showModels(settings);
    this.#showPrompt(item);
    if (document.activeElement !== byId("negative_prompt")) byId("negative_prompt").value = settings.negative_prompt ?? "";
    for (const name of NUMBERS) this.#showNumber(name, settings[name]);
    for (const name of Object.keys(CHOICES)) if (name !== "model") byId(name).value = settings[name] ?? "";
    byId("automatic").disabled = isAutomatic(settings);
  }

  #set(some) {
    const next = { ...this.#settings, ...some };
    if (JSON.stringify(next) === JSON.stringify(this.#settings)) return;
    this.#settings = next;
    this.#change(next);
  }

  #number(name, input) {
    if (!input.checkValidity()) {
      input.reportValidity();
      return;
    }
    this.#set({ [name]: input.value === "" ? AUTOMATIC[name] : input.valueAsNumber });
  }

  #showNumber(name, value) {
    const input = byId(name);
    if (document.activeElement === input) return; // it is being typed
    input.value = value === AUTOMATIC[name] ? "" : value;
  }

  #showQuality({ settings, result, picture }) {
    const byItself = settings.quality === null;
    const fits = result && result.settings.quality === null && result.settings.task === settings.task;
    const found = (fits ? result.quality : null) ?? picture?.inspected.quality ?? null;
    const shown = settings.quality ?? (found === null ? null : Math.round(found));
    byId("auto").checked = byItself;
    byId("quality").value = Math.min(100, Math.max(1, shown ?? 50));
    byId("quality-says").value = shown ?? "by itself";
    byId("quality").setAttribute("aria-valuetext", shown === null ? "by itself" : `${shown}${byItself ? ", by itself" : ""}`);
    byId("quality-hint").textContent = !byItself
      ? "set by you"
      : fits && result.quality !== null
        ? sourceWords(result.quality_source)
        : "";
  }

  #showModels(settings) {
    const able = this.#about.models.filter(({ tasks }) => tasks.includes(settings.task));
    const usual = able.find((model) => model.default_for.includes(settings.task)) ?? able[0];
    const select = byId("model");
    const names = able.map(({ name }) => name).join();
    if (select.dataset.names !== names) {
      select.dataset.names = names;
      select.replaceChildren(
        ...able.map((model) =>
          element("option", { value: model === usual ? "" : model.name }, model === usual ? `${model.name}, as usual` : model.name),
        ),
      );
    }
    select.value = settings.model ?? "";
    byId("model-says").textContent = (able.find(({ name }) => name === settings.model) ?? usual)?.summary ?? "";
    if (able.length < 2) select.closest(".field").hidden = true;
  }

  #showPrompt({ settings, result }) {
    const byItself = settings.prompt === null;
    const written = result?.settings.task === "real" && result.settings.prompt === null ? result.prompt : null;
    const box = byId("prompt");
    if (document.activeElement !== box) box.value = settings.prompt ?? written ?? "";
    byId("prompt-auto").checked = byItself;
    byId("prompt-says").textContent = !byItself
      ? "These words guide the restoration."
      : !this.#about.captions
        ? "Nothing writes captions here: say in a few words what it shows, if you like."
        : written
          ? "Written by itself. Change the words to guide the restoration."
          : "Will be written by itself.";
  }
}
