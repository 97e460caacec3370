/** What may be wished for a picture, and which of it belongs together. */

export const AUTOMATIC = Object.freeze({
  task: "jpeg",
  model: null,
  quality: null,
  strength: 100,
  constraint: "auto",
  ensemble: 1,
  bits: null,
  seed: null,
  steps: null,
  samples: 1,
  prompt: null,
  negative_prompt: null,
  text_guidance: null,
  image_guidance: null,
  temperature: null,
  color_fix: null,
  upscale: 1,
});

const REAL = ["prompt", "negative_prompt", "upscale", "text_guidance", "image_guidance", "temperature", "color_fix"];
const DRAWS = ["sodiff"]; // for JPEGs, and takes a seed
// What the server answers at the cost of half a network, and what therefore waits for the answer before it.
const DIALS = ["quality", "strength", "constraint"];

/** The names of the settings that mean something beside the others. */
export function belonging(settings) {
  const { task } = settings;
  const names = ["task", "strength", "ensemble", "bits"];
  if (task !== "auto") names.push("model"); // what is found chooses
  const real = task === "real";
  const walks = task !== "jpeg";
  const noise = walks && (!real || settings.temperature > 0); // without noise all samples are one
  if (!walks || task === "auto") names.push("quality");
  if (!real || settings.upscale === 1) names.push("constraint");
  if (walks) names.push("steps");
  if (noise) names.push("seed", "samples");
  if (DRAWS.includes(settings.model)) names.push("seed");
  if (real) names.push(...REAL);
  return new Set(names);
}

/** What is sent: the task, and all that belongs and is not left to the program. */
export function request(settings) {
  const wish = { task: settings.task };
  for (const name of belonging(settings)) {
    if (settings[name] !== AUTOMATIC[name]) wish[name] = settings[name];
  }
  // Words to be led away from count where words count more than as they were taught.
  if (wish.negative_prompt && !(wish.text_guidance > 1)) wish.text_guidance = 2;
  return wish;
}

/** Whether from one request to another only a dial was turned. */
export function onlyDial(before, after) {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const name of names) {
    if (before[name] !== after[name] && !DIALS.includes(name)) return false;
  }
  return true;
}

export const isAutomatic = (settings) =>
  Object.keys(AUTOMATIC).every((name) => settings[name] === AUTOMATIC[name]);

const SOURCES = {
  asked: "set by you",
  header: "read from the file",
  network: "estimated from the picture",
  "earlier save": "traces of an earlier, harder save",
};

/** Who told a quality, in words; empty where nobody did. */
export const sourceWords = (source) => SOURCES[source] ?? "";
