// A magnified part of the plane under the pointer, in a corner of its viewport, to mark landmarks between voxels.

const SIZE = 150, MARGIN = 8; // screen pixels
const MAGNIFICATION = 4;
const INK = { border: "#56b4e9", lines: "#ffd54a" };

export class Magnifier {
  constructor(viewer) {
    Object.assign(this, { viewer, isOn: true, at: null });
    const { canvas } = viewer;
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerleave", () => this.leave());
    viewer.layers.push(this);
  }

  toggle() {
    this.isOn = !this.isOn;
    this.viewer.requestDraw();
  }

  get isActive() {
    return this.isOn && this.viewer.isShowing && this.viewer.layout === "landmarks";
  }

  move(event) {
    if (!this.isActive) return;
    this.at = this.viewer.pointer.position(event);
    this.viewer.requestDraw();
  }

  leave() {
    this.at = null;
    this.viewer.requestDraw();
  }

  draw(context, viewport, index) {
    if (!this.isActive || !this.at || !viewport.contains(...this.at)) return;
    const { painter } = this.viewer, { ratio } = viewport;
    const voxel = viewport.toVoxel(...this.at, this.viewer.crosshairOf(viewport));
    const size = Math.min(SIZE * ratio, viewport.width * 0.45, viewport.height * 0.45), margin = MARGIN * ratio;
    const isLeft = this.at[0] > viewport.left + viewport.width / 2; // away from the pointer
    const left = isLeft ? viewport.left + margin : viewport.left + viewport.width - margin - size;
    const top = viewport.top + viewport.height - margin - size;
    const [wide, high] = viewport.scale.map((pixels) => size / (MAGNIFICATION * pixels)); // in voxels
    const column = voxel[viewport.right] + 0.5, row = viewport.rowOf(voxel) + 0.5;
    context.save();
    context.beginPath();
    context.rect(left, top, size, size);
    context.fillStyle = "#000";
    context.fill();
    context.clip();
    context.drawImage(painter.image(viewport, index, painter.layersOf(viewport)), column - wide / 2, row - high / 2, wide, high, left, top, size, size);
    this.drawLines(context, left, top, size);
    context.restore();
    Object.assign(context, { strokeStyle: INK.border, lineWidth: 2 * ratio });
    context.strokeRect(left, top, size, size);
    context.lineWidth = ratio;
  }

  // The position of the pointer is in the middle.
  drawLines(context, left, top, size) {
    const gap = size / 12, middle = size / 2;
    context.strokeStyle = INK.lines;
    context.beginPath();
    for (const [from, to] of [[0, middle - gap], [middle + gap, size]]) {
      context.moveTo(left + from, top + middle), context.lineTo(left + to, top + middle);
      context.moveTo(left + middle, top + from), context.lineTo(left + middle, top + to);
    }
    context.stroke();
  }
}
