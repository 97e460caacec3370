/** How pictures come in: dropped anywhere, chosen, or pasted. */

import { byId } from "./dom.js";

const PICTURE = /\.(jpe?g|jpe|jfif|mpo|png|webp|tiff?|avif|hei[cf]|bmp|gif)$/i;

/** Call take(files) for all that comes in. */
export function listen(take) {
  const input = byId("file");
  const choose = () => input.click();
  byId("choose").onclick = choose;
  byId("add").onclick = choose;
  input.onchange = () => {
    take([...input.files]);
    input.value = ""; // the same file may be chosen again
  };
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });
  drops(take);
}

function drops(take) {
  const veil = byId("drop-here");
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  let inside = 0; // entering a child comes before leaving its parent
  addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    inside += 1;
    veil.hidden = false;
  });
  addEventListener("dragleave", () => {
    inside = Math.max(0, inside - 1);
    if (!inside) veil.hidden = true;
  });
  addEventListener("dragover", (event) => {
    if (holdsFiles(event)) event.preventDefault();
  });
  addEventListener("drop", async (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    inside = 0;
    veil.hidden = true;
    take(await filesOf(event.dataTransfer));
  });
}

/** The files that were dropped; of folders the pictures in them. */
async function filesOf(transfer) {
  const loose = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return loose;
  const found = await Promise.all(entries.map((entry) => inEntry(entry, true)));
  return found.flat();
}

async function inEntry(entry, named) {
  if (entry.isFile) {
    if (!named && (entry.name.startsWith(".") || !PICTURE.test(entry.name))) return [];
    return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break; // a reader gives a hundred at a time
    found.push(...some);
  }
  found.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return (await Promise.all(found.map((inner) => inEntry(inner, false)))).flat();
}
