/**
 * Where a picture lies in a pane: plain arithmetic, no document.
 * A view is {scale, x, y}: CSS pixels for a pixel of the picture, and the picture's point in the pane's middle.
 * Sizes are {width, height}. dpr is device pixels for a CSS pixel.
 */

const MOST = 32; // device pixels for a pixel of the picture

/** The scale at which all of a picture is seen. */
export const fitScale = (pane, size) => Math.min(pane.width / size.width, pane.height / size.height);

/** All of a picture; tiny ones are not blown up beyond recognition. */
export function fit(pane, size, dpr) {
  const scale = Math.min(fitScale(pane, size), 8 / dpr);
  return { scale, x: size.width / 2, y: size.height / 2 };
}

/** The view, with nothing but picture in the pane where the picture is larger than it. */
export function clamp(view, pane, size) {
  const inside = (value, paneLength, length) => {
    const half = paneLength / 2 / view.scale;
    return 2 * half >= length ? length / 2 : Math.min(Math.max(value, half), length - half);
  };
  return {
    scale: view.scale,
    x: inside(view.x, pane.width, size.width),
    y: inside(view.y, pane.height, size.height),
  };
}

/** Zoom to a scale; the point of the picture under (px, py) of the pane stays there. */
export function zoomTo(view, pane, size, dpr, scale, px = pane.width / 2, py = pane.height / 2) {
  const least = Math.min(fitScale(pane, size), 1 / dpr) / 2;
  const next = Math.min(Math.max(scale, least), MOST / dpr);
  const dx = px - pane.width / 2;
  const dy = py - pane.height / 2;
  const moved = {
    scale: next,
    x: view.x + dx / view.scale - dx / next,
    y: view.y + dy / view.scale - dy / next,
  };
  return clamp(moved, pane, size);
}

/**
 * The picture's box in the pane, on whole device pixels, so that 1:1 shows pixels as they are.
 * corner is the pane's own place in the window, {left, top}, which may lie between pixels.
 */
export function box(view, pane, size, dpr, corner) {
  const snap = (value, from) => Math.round((from + value) * dpr) / dpr - from;
  return {
    left: snap(pane.width / 2 - view.x * view.scale, corner.left),
    top: snap(pane.height / 2 - view.y * view.scale, corner.top),
    width: size.width * view.scale,
    height: size.height * view.scale,
  };
}

/** Two panes for one stage, side by side or one above the other, however the picture is larger. */
export function halves(stage, size) {
  const beside = { width: stage.width / 2, height: stage.height };
  const above = { width: stage.width, height: stage.height / 2 };
  return fitScale(beside, size) >= fitScale(above, size)
    ? { pane: beside, dx: beside.width, dy: 0 }
    : { pane: above, dx: 0, dy: above.height };
}
