/** Small helpers around the document. Text goes in as text, never as HTML. */

export const byId = (id) => document.getElementById(id);

/** A new element: attributes as they are written in HTML, children as nodes or text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** Show a sentence where there is one, and nothing at all where there is none. */
export function say(node, sentence) {
  node.textContent = sentence ?? "";
  node.hidden = !sentence;
}

/** Tell screen readers about a change of state; what is told twice is heard twice. */
export function announce(sentence) {
  const live = byId("live");
  live.textContent = "";
  setTimeout(() => (live.textContent = sentence), 50);
}

/** "3 pictures", "1 picture". */
export const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

/** Give a blob to the user under a name. */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // browsers read it after the click
}
