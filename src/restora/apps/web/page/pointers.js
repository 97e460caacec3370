/** Mouse, pen and fingers on one element: sliding, moving with one, pinching with two. */

/**
 * Listen to the pointers of a stage.
 * start(event) says what a press means: "slide", "move" or null for nothing.
 * slide(x), move(dx, dy) and pinch(factor, x, y, dx, dy) get pixels of the window.
 */
export function drag(stage, { start, slide, move, pinch }) {
  const down = new Map();
  let means = null;

  const middle = () => {
    const [a, b] = [...down.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y) || 1 };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const meant = start(event);
    if (!meant) return;
    if (down.size >= 2) return;
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    stage.setPointerCapture(event.pointerId);
    means = down.size === 2 ? "pinch" : meant;
    stage.classList.toggle("moving", means === "move");
    if (means === "slide") slide(event.clientX);
  });

  stage.addEventListener("pointermove", (event) => {
    const last = down.get(event.pointerId);
    if (!last) return;
    const now = { x: event.clientX, y: event.clientY };
    if (means === "pinch" && down.size === 2) {
      const was = middle();
      down.set(event.pointerId, now);
      const is = middle();
      pinch(is.apart / was.apart, is.x, is.y, is.x - was.x, is.y - was.y);
      return;
    }
    down.set(event.pointerId, now);
    if (means === "slide") slide(now.x);
    if (means === "move") move(now.x - last.x, now.y - last.y);
  });

  const up = (event) => {
    down.delete(event.pointerId);
    if (means === "pinch" && down.size === 1) means = "move"; // the finger that stays goes on
    if (down.size === 0) {
      means = null;
      stage.classList.remove("moving");
    }
  };
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
}
