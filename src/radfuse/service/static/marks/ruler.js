// A tool that draws a line with its length in mm; it stays in its plane until the next line.

export class Ruler {
  constructor(viewer) {
    Object.assign(this, { viewer, isOblique: true });
  }

  down(viewport, voxel) {
    this.line = { plane: viewport.plane, index: viewport.indexOf(voxel), from: voxel, to: voxel };
  }

  move(viewport, voxel) {
    if (viewport.plane === this.line.plane) this.line.to = voxel;
    this.viewer.requestDraw();
  }

  up() {}

  get mm() {
    const { from, to } = this.line;
    return Math.hypot(...from.map((value, axis) => (to[axis] - value) * this.viewer.ct.spacing[axis]));
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
    this.viewer.write(`${this.mm.toFixed(1)} mm`, to[0] + 8 * viewport.ratio, to[1] - 10 * viewport.ratio, "left");
  }
}
