// Pointer input on the canvas: the active tool, else crosshair, window of an image, zoom, pan and the wipe's line.

const WHEEL_ZOOM = 1.1;
const MIDDLE_BUTTON = 1, RIGHT_BUTTON = 2;
const DOUBLE_CLICK_MS = 500;
const WINDOW_SHARE = 1 / 500; // of the range of an image, by which a drag of one pixel changes its window
const MIN_WINDOW_SHARE = 1 / 1000;
const CT_WIDTH_HU = 1000; // a drag of one pixel changes the CT by 2 HU in width and 1 HU in level, whatever its window

export class Pointer {
  constructor(viewer) {
    Object.assign(this, { viewer, drag: null, lastDown: -Infinity });
    const { canvas } = viewer;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.onDown(event));
    canvas.addEventListener("pointermove", (event) => this.onMove(event));
    canvas.addEventListener("dblclick", (event) => this.onDoubleClick(event));
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
    viewer.scroll(viewport, -Math.sign(event.deltaY));
  }

  onDown(event) {
    const { viewer } = this;
    const [x, y] = this.position(event);
    const viewport = viewer.viewportAt(x, y);
    if (!viewport) return;
    viewer.canvas.setPointerCapture(event.pointerId);
    viewer.views.active = viewport.number;
    if (event.timeStamp - this.lastDown > DOUBLE_CLICK_MS) this.crosshairBefore = viewer.crosshair;
    this.lastDown = event.timeStamp;
    viewer.selectCrosshair(viewer.hasMrCrosshair(viewport));
    this.drag = this.startDrag(event, viewport, x, y);
    this.drag.move(event, x, y);
  }

  onMove(event) {
    const { viewer } = this;
    const [x, y] = this.position(event);
    const viewport = viewer.viewportAt(x, y);
    if (viewer.mode === "spyglass" && viewport) this.moveSpyglass(viewport, x, y);
    if (this.drag) this.drag.move(event, x, y);
    else if (viewport && this.mayUseTool(viewport)) viewer.tool?.hover?.(viewport, this.voxel(viewport, x, y), event);
  }

  onUp(event) {
    const drag = this.drag;
    this.drag = null;
    drag?.end?.();
  }

  onDoubleClick(event) {
    const viewport = this.viewer.viewportAt(...this.position(event));
    if (!viewport || this.viewer.tool) return;
    this.viewer.setCrosshair(this.crosshairBefore); // of before the first click
    this.viewer.toggleMaximised(viewport);
  }

  // Tools that draw in planes of the CT are off in other planes.
  mayUseTool(viewport) {
    return !viewport.isOblique || this.viewer.tool?.isOblique;
  }

  startDrag(event, viewport, x, y) {
    const { viewer } = this;
    if (event.button === RIGHT_BUTTON) return this.windowDrag(viewport, x, y);
    if (event.button === MIDDLE_BUTTON || event.shiftKey) return this.panDrag(viewport, x, y);
    if (event.altKey && viewer.mode === "wipe") return this.wipeDrag(viewport);
    const { tool } = viewer;
    if (tool && this.mayUseTool(viewport) && tool.down(viewport, this.voxel(viewport, x, y), event) !== false)
      return { move: (moved, toX, toY) => tool.move(viewport, this.voxel(viewport, toX, toY), moved), end: () => tool.up() };
    return { move: (_, toX, toY) => viewer.setCrosshairIn(viewport, this.voxel(viewport, toX, toY)) };
  }

  // The image whose window a drag changes: that of the viewport, the one next to the wipe's line, one that covers the
  // others, or else the one that is chosen.
  imageAt(viewport, x, y) {
    const { viewer } = this, { top } = viewer.imageLayers;
    if (viewport.show) return viewport.show === "fused" && !viewer.fused ? "ct" : viewport.show;
    if (viewer.mode === "wipe" && top) return x < viewport.corner[0] + viewer.wipe * viewport.columns * viewport.scale[0] ? "ct" : top.name;
    const isCovering = top && viewer.mode === "blend" && viewer.composite === "alpha" && top.opacity === 1 && viewer.hasOverlay;
    return isCovering && viewer.imageLayers.shown.every(({ map }) => map !== "green") ? top.name : viewer.windowed;
  }

  windowDrag(viewport, x, y) {
    const { viewer } = this;
    const name = this.imageAt(viewport, x, y);
    const [low, high] = viewer.rangeOf(name), [first, last] = viewer.initialRangeOf(name);
    const unit = (name === "ct" ? CT_WIDTH_HU : last - first) * WINDOW_SHARE;
    const least = name === "ct" ? 1 : (last - first) * MIN_WINDOW_SHARE;
    const move = (_, toX, toY) => {
      const width = Math.max(high - low + unit * (toX - x), least), level = (low + high) / 2 + (unit / 2) * (toY - y);
      viewer.setRange(name, [level - width / 2, level + width / 2]);
    };
    viewer.windowed = name;
    return { move };
  }

  wipeDrag(viewport) {
    const fraction = (x) => (x - viewport.corner[0]) / (viewport.columns * viewport.scale[0]);
    return { move: (_, toX) => this.viewer.set({ wipe: Math.min(Math.max(fraction(toX), 0), 1) }) };
  }

  panDrag(viewport, x, y) {
    const pan = this.viewer.views.startPan(viewport);
    return { move: (_, toX, toY) => pan(toX - x, toY - y) };
  }

  moveSpyglass(viewport, x, y) {
    this.viewer.spyglassVoxel = this.voxel(viewport, x, y);
    this.viewer.requestDraw();
  }
}
