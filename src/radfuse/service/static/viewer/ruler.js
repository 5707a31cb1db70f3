import { Tool } from "./tool.js";

// A line with its length; it lies in one plane until the next one is drawn.
export class Ruler extends Tool {
  down(viewport, voxel) {
    this.line = { plane: viewport.plane, index: Math.round(voxel[viewport.across]), from: voxel, to: voxel };
  }

  move(viewport, voxel) {
    if (viewport.plane === this.line.plane) this.line.to = voxel;
    this.desk.viewer.requestDraw();
  }

  get mm() {
    const { from, to } = this.line;
    return Math.hypot(...from.map((value, axis) => (to[axis] - value) * this.desk.viewer.ct.spacing[axis]));
  }

  draw(context, viewport, index) {
    if (this.line?.plane !== viewport.plane || this.line.index !== index) return;
    const [from, to] = [viewport.toScreen(this.line.from), viewport.toScreen(this.line.to)];
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.strokeStyle = "#56b4e9";
    context.lineWidth = 2 * viewport.ratio;
    context.stroke();
    context.lineWidth = viewport.ratio;
    this.desk.viewer.write(`${this.mm.toFixed(1)} mm`, to[0] + 8 * viewport.ratio, to[1] - 10 * viewport.ratio, "left");
  }
}
