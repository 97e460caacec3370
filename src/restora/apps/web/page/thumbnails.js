/** Small pictures of large ones, one after the other: a photo decoded takes a hundred megabytes. */

import { element } from "./dom.js";

const WIDTH = 240;
const HEIGHT = 144;
let line = Promise.resolve();

/** A canvas with the middle of a picture; null where the browser cannot show it. */
export function draw(blob) {
  const drawn = line.then(() => drawNow(blob)).catch(() => null);
  line = drawn;
  return drawn;
}

async function drawNow(blob) {
  const bitmap = await createImageBitmap(blob);
  const canvas = element("canvas", { width: String(WIDTH), height: String(HEIGHT), "aria-hidden": "true" });
  const scale = Math.max(WIDTH / bitmap.width, HEIGHT / bitmap.height);
  const width = bitmap.width * scale;
  const height = bitmap.height * scale;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (WIDTH - width) / 2, (HEIGHT - height) / 2, width, height);
  bitmap.close();
  return canvas;
}
