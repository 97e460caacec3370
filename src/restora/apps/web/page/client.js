/** The server's interface, one function a request. Whatever goes wrong is a Problem. */

export class Problem extends Error {
  /** A sentence for people, the HTTP status (0: no answer) and when to try again, in seconds. */
  constructor(status, sentence, retry_s = null, salvage = false) {
    super(sentence);
    this.salvage = salvage; // a part of the file decodes, and can be asked for
    this.status = status;
    this.retry_s = retry_s;
  }
}

const SILENT = "The server does not answer. Is it still running?";

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, SILENT);
  }
  if (answer.ok) return answer;
  let sentence = null;
  let salvage = false;
  try {
    const told = await answer.json();
    salvage = told.salvage === true;
    sentence = typeof told.detail === "string" ? told.detail : told.title;
  } catch {
    // Something between us and the server answered; its page is not for people.
  }
  const wait = Number.parseFloat(answer.headers.get("Retry-After"));
  throw new Problem(
    answer.status,
    sentence || `The server said no (${answer.status} ${answer.statusText}).`,
    Number.isFinite(wait) ? wait : null,
    salvage,
  );
}

const json = async (path, options) => (await ask(path, options)).json();

const posted = (body) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

const at = (id) => `api/pictures/${encodeURIComponent(id)}`;

export const about = () => json("api/about");

export const upload = (file, name, salvage) =>
  json(`api/pictures?${new URLSearchParams({ name, salvage })}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
  });

export const picture = (id) => json(at(id));

export const restore = (id, wish) => json(`${at(id)}/restore`, posted(wish));

export const remove = (id) => ask(at(id), { method: "DELETE", keepalive: true });

export const beforeUrl = (id) => `${at(id)}/before`;

export const afterUrl = (id, version) => `${at(id)}/after?version=${version}`;

/** The bytes of a file that a browser shall keep, and the name the server gives it. */
async function blob(path, options) {
  const answer = await ask(path, options);
  try {
    return { blob: await answer.blob(), name: nameOf(answer.headers.get("Content-Disposition")) };
  } catch {
    throw new Problem(0, SILENT);
  }
}

export const file = (id, format, jpegQuality) =>
  blob(`${at(id)}/file?${new URLSearchParams({ format, ...optional(format, jpegQuality) })}`);

export const zip = (pictures, format, jpegQuality) =>
  blob("api/zip", posted({ pictures, format, ...optional(format, jpegQuality) }));

export const example = (url) => blob(url);

const optional = (format, quality) => (format === "jpeg" ? { jpeg_quality: quality } : {});

/** The name in a Content-Disposition header, or null. */
export function nameOf(header) {
  const wide = /filename\*=UTF-8''([^;]+)/i.exec(header ?? "");
  if (wide) return decodeURIComponent(wide[1]);
  const plain = /filename="([^"]*)"/i.exec(header ?? "") ?? /filename=([^;]+)/i.exec(header ?? "");
  return plain ? plain[1].trim() : null;
}

const over = (work) => ["done", "failed", "stopped"].includes(work.state);

/**
 * Follow a picture's work until it is over.
 * onWork is called with each state of this version or a later one; the last one is returned.
 */
export async function follow(id, version, onWork, signal) {
  for (let misses = 0; ; misses += 1) {
    const last = await listen(id, version, onWork, signal);
    if (last) return last;
    signal.throwIfAborted();
    await new Promise((wake) => setTimeout(wake, 500 * 2 ** Math.min(misses, 4)));
    try {
      const { work } = await picture(id);
      if (work.version >= version) onWork(work);
      if (work.version >= version && over(work)) return work;
    } catch (problem) {
      if (problem.status !== 0 || misses >= 4) throw problem;
    }
  }
}

/** One connection's worth of events: the last work, or null where the connection broke. */
function listen(id, version, onWork, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const source = new EventSource(`${at(id)}/events`);
    const stop = () => {
      source.close();
      reject(signal.reason);
    };
    const end = (work) => {
      source.close();
      signal.removeEventListener("abort", stop);
      resolve(work);
    };
    signal.addEventListener("abort", stop, { once: true });
    source.onmessage = (event) => {
      const work = JSON.parse(event.data);
      if (work.version < version) return;
      onWork(work);
      if (over(work)) end(work);
    };
    source.onerror = () => end(null);
  });
}
