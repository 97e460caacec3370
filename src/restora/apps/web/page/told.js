/** What the file tells, and what was done to it. */

import { byId, element, say } from "./dom.js";
import { seconds } from "./words.js";

const paragraph = (text) => element("li", {}, text);

/** What inspect found: a headline, and rows to open. */
export function tellInspected(picture) {
  const inspected = picture?.inspected;
  say(byId("headline"), inspected?.headline);
  byId("inspected").hidden = !inspected?.rows.length;
  byId("rows").replaceChildren(
    ...(inspected?.rows ?? []).flatMap(({ label, text }) => [element("dt", {}, label), element("dd", {}, text)]),
  );
}

/** The task a picture is sure to need besides the one that is set; null if none. */
export function needs(item, tasks) {
  const judged = item.picture?.inspected?.facts?.task;
  if (!judged?.name || item.settings.task === judged.name || item.settings.task === "auto") return null;
  return tasks.find((task) => task.name === judged.name) ?? null;
}

/** How the result came about. */
export function tellDone(result) {
  byId("done").hidden = !result;
  if (!result) return;
  const size = `${result.width_px} × ${result.height_px} pixels`;
  byId("done-summary").textContent = `Restored in ${seconds(result.seconds)} s, ${size}.`;
  byId("inside").textContent = inside(result.inside_bins);
  byId("explain").replaceChildren(...result.explain.map(paragraph));
  byId("notes").replaceChildren(...result.notes.map(paragraph));
}

function inside(share) {
  if (share === null || share === undefined) return "";
  const per = share === 1 ? "100" : (Math.floor(share * 1000) / 10).toFixed(1);
  return `${per} % of the result agrees with what the file says of each block.`;
}
