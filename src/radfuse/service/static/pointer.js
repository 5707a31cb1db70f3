// What the pointer does on the canvas: the tool, or cursor, window, zoom, shift and the wipe's line.

const WHEEL_ZOOM = 1.1;
const MIDDLE_BUTTON = 1, RIGHT_BUTTON = 2;

export class Pointer {
  constructor(viewer) {
    Object.assign(this, { viewer, dragged: null });
    const { canvas } = viewer;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.onDown(event));
    canvas.addEventListener("pointermove", (event) => this.onMove(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.onUp(event));
    canvas.addEventListener("pointerleave", () => viewer.tool?.leave?.());
  }

  // Where an event lies on the canvas, in its own pixels.
  place(event) {
    const { canvas } = this.viewer;
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  }

  voxel(pane, x, y) {
    return pane.toVoxel(x, y, this.viewer.cursorOf(pane));
  }

  onWheel(event) {
    const { viewer } = this;
    event.preventDefault();
    const [x, y] = this.place(event);
    const pane = viewer.paneAt(x, y);
    if (!pane) return;
    if (event.ctrlKey) return viewer.zoomBy(event.deltaY < 0 ? WHEEL_ZOOM : 1 / WHEEL_ZOOM, pane, [x, y]);
    const voxel = [...viewer.cursorOf(pane)];
    voxel[pane.across] -= Math.sign(event.deltaY);
    viewer.setCursor(voxel, viewer.isOfMoving(pane));
  }

  onDown(event) {
    const { viewer } = this;
    const [x, y] = this.place(event);
    const pane = viewer.paneAt(x, y);
    if (!pane) return;
    viewer.canvas.setPointerCapture(event.pointerId);
    viewer.chooseCross(viewer.isOfMoving(pane));
    this.dragged = this.dragOf(event, pane, x, y);
    this.dragged.move(event, x, y);
  }

  onMove(event) {
    const [x, y] = this.place(event);
    const pane = this.viewer.paneAt(x, y);
    if (this.dragged) this.dragged.move(event, x, y);
    else if (pane) this.viewer.tool?.hover?.(pane, this.voxel(pane, x, y), event);
  }

  onUp(event) {
    const dragged = this.dragged;
    this.dragged = null;
    dragged?.end?.();
  }

  dragOf(event, pane, x, y) {
    const { viewer } = this;
    if (event.button === RIGHT_BUTTON) return this.windowDrag(x, y);
    if (event.button === MIDDLE_BUTTON || event.shiftKey) return this.shiftDrag(pane, x, y);
    if (event.altKey && viewer.cover === "wipe") return this.wipeDrag(pane);
    const { tool } = viewer;
    if (tool && tool.down(pane, this.voxel(pane, x, y), event) !== false)
      return { move: (moved, toX, toY) => tool.move(pane, this.voxel(pane, toX, toY), moved), end: () => tool.up() };
    return { move: (_, toX, toY) => viewer.setCursor(this.voxel(pane, toX, toY), viewer.isOfMoving(pane)) };
  }

  windowDrag(x, y) {
    const [width, level] = this.viewer.window;
    return { move: (_, toX, toY) => this.viewer.set({ window: [Math.max(width + 2 * (toX - x), 1), level + toY - y] }) };
  }

  wipeDrag(pane) {
    const share = (x) => (x - pane.corner[0]) / (pane.columns * pane.scale[0]);
    return { move: (_, toX) => this.viewer.set({ wipe: Math.min(Math.max(share(toX), 0), 1) }) };
  }

  shiftDrag(pane, x, y) {
    const from = [...this.viewer.middle];
    const move = (_, toX, toY) => {
      const middle = [...from];
      middle[pane.right] -= (toX - x) / pane.scale[0];
      middle[pane.down] += ((pane.upwards ? 1 : -1) * (toY - y)) / pane.scale[1];
      this.viewer.set({ middle });
    };
    return { move };
  }
}
