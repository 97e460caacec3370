/** How far a picture is, in words. */

const seconds = (value) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));

/** For the viewer: a sentence. */
export function sentence(item) {
  const { work } = item;
  switch (item.state) {
    case "queued":
      return "Waiting for its turn";
    case "sending":
      return "Sending and reading the picture";
    case "waiting":
      if (!work || work.ahead === 0) return "Next in the queue";
      return work.ahead === 1 ? "In the queue, one before it" : `In the queue, ${work.ahead} before it`;
    case "working":
      if (!work.total) return "Restoring";
      return `Restoring, part ${Math.min(work.done + 1, work.total)} of ${work.total}`;
    case "done":
      return item.result ? `Restored in ${seconds(item.result.seconds)} s` : "Restored";
    case "again":
      return "Waiting to try again";
    default:
      return "This did not work";
  }
}

/** For the strip: a word or two. */
export function word(item) {
  const { work } = item;
  switch (item.state) {
    case "queued":
      return "Waiting";
    case "sending":
      return "Reading";
    case "waiting":
      return work?.ahead ? `Queue, ${work.ahead} before` : "Queue, next";
    case "working":
      return work.total ? `${work.done} of ${work.total}` : "Restoring";
    case "done":
      return item.result ? `Done, ${seconds(item.result.seconds)} s` : "Done";
    case "again":
      return "Trying again";
    default:
      return "Failed";
  }
}

/** For screen readers: changes of state alone, not each tile. */
export const spoken = (item) =>
  item.state === "working" ? `Restoring ${item.name}` : `${item.name}: ${sentence(item)}`;

export { seconds };
