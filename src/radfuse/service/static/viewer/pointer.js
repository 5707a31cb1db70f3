// Pointer input on the canvas: the active tool, else crosshair, CT window, zoom, pan and the wipe's line.

const WHEEL_ZOOM = 1.1;
const MIDDLE_BUTTON = 1, RIGHT_BUTTON = 2;

export class Pointer {
  constructor(viewer) {
    Object.assign(this, { viewer, drag: null });
    const { canvas } = viewer;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.onDown(event));
    canvas.addEventListener("pointermove", (event) => this.onMove(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.onUp(event));
    canvas.addEventListener("pointerleave", () => viewer.tool?.leave?.());
  }

  // Position of an event in pixels of the canvas.
  position(event) {
    const { canvas } = this.viewer;
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  }

  voxel(viewport, x, y) {
    return viewport.toVoxel(x, y, this.viewer.crosshairOf(viewport));
  }

  onWheel(event) {
    const { viewer } = this;
    event.preventDefault();
    const [x, y] = this.position(event);
    const viewport = viewer.viewportAt(x, y);
    if (!viewport) return;
    if (event.ctrlKey) return viewer.zoomBy(event.deltaY < 0 ? WHEEL_ZOOM : 1 / WHEEL_ZOOM, viewport, [x, y]);
    const voxel = [...viewer.crosshairOf(viewport)];
    voxel[viewport.across] -= Math.sign(event.deltaY);
    viewer.setCrosshair(voxel, viewer.hasMrCrosshair(viewport));
  }

  onDown(event) {
    const { viewer } = this;
    const [x, y] = this.position(event);
    const viewport = viewer.viewportAt(x, y);
    if (!viewport) return;
    viewer.canvas.setPointerCapture(event.pointerId);
    viewer.selectCrosshair(viewer.hasMrCrosshair(viewport));
    this.drag = this.startDrag(event, viewport, x, y);
    this.drag.move(event, x, y);
  }

  onMove(event) {
    const [x, y] = this.position(event);
    const viewport = this.viewer.viewportAt(x, y);
    if (this.drag) this.drag.move(event, x, y);
    else if (viewport) this.viewer.tool?.hover?.(viewport, this.voxel(viewport, x, y), event);
  }

  onUp(event) {
    const drag = this.drag;
    this.drag = null;
    drag?.end?.();
  }

  startDrag(event, viewport, x, y) {
    const { viewer } = this;
    if (event.button === RIGHT_BUTTON) return this.windowDrag(x, y);
    if (event.button === MIDDLE_BUTTON || event.shiftKey) return this.panDrag(viewport, x, y);
    if (event.altKey && viewer.mode === "wipe") return this.wipeDrag(viewport);
    const { tool } = viewer;
    if (tool && tool.down(viewport, this.voxel(viewport, x, y), event) !== false)
      return { move: (moved, toX, toY) => tool.move(viewport, this.voxel(viewport, toX, toY), moved), end: () => tool.up() };
    return { move: (_, toX, toY) => viewer.setCrosshair(this.voxel(viewport, toX, toY), viewer.hasMrCrosshair(viewport)) };
  }

  windowDrag(x, y) {
    const [width, level] = this.viewer.window;
    return { move: (_, toX, toY) => this.viewer.set({ window: [Math.max(width + 2 * (toX - x), 1), level + toY - y] }) };
  }

  wipeDrag(viewport) {
    const fraction = (x) => (x - viewport.corner[0]) / (viewport.columns * viewport.scale[0]);
    return { move: (_, toX) => this.viewer.set({ wipe: Math.min(Math.max(fraction(toX), 0), 1) }) };
  }

  panDrag(viewport, x, y) {
    const from = [...this.viewer.middle];
    const move = (_, toX, toY) => {
      const middle = [...from];
      middle[viewport.right] -= (toX - x) / viewport.scale[0];
      middle[viewport.down] += ((viewport.upwards ? 1 : -1) * (toY - y)) / viewport.scale[1];
      this.viewer.set({ middle });
    };
    return { move };
  }
}
