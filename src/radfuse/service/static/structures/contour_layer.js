// The layer of the viewer that draws the contours of all visible structures, and a suggestion, in planes of CT and MR.
// The contours of all but the active structure are kept as an image: a stroke draws only one structure again.

const DASHES = { solid: [], dashed: [7, 4], dotted: [1.5, 3.5] }; // pixels
const SUGGESTED = { dash: [3, 3], width: 2, hasHalo: true };
const HALO_WIDTH = 2;

const styleOf = ({ line, lineWidth }, hasHalo) => ({ dash: DASHES[line], width: lineWidth, hasHalo });

export class ContourLayer {
  constructor(store) {
    Object.assign(this, { store, suggestion: null, kept: new Map(), isOblique: true }); // also drawn in planes of the MR
  }

  draw(context, viewport, index) {
    const { active } = this.store, visible = this.store.list.filter((one) => one.isVisible);
    const others = visible.filter((one) => one !== active);
    if (others.length) context.drawImage(this.imageOf(others, viewport, index), Math.floor(viewport.left), Math.floor(viewport.top));
    context.save();
    if (visible.includes(active)) this.stroke(context, viewport, index, active, styleOf(active, true));
    if (this.suggestion) this.stroke(context, viewport, index, this.suggestion, SUGGESTED);
    context.restore();
  }

  // The contours of structures in a viewport, drawn again only after a change.
  imageOf(structures, viewport, index) {
    const { number, plane, ctFromGrid, scale, corner, left, top, width, height } = viewport;
    const parts = structures.map(({ id, version, colour, line, lineWidth }) => [id, version, colour, line, lineWidth]);
    const key = JSON.stringify([plane, ctFromGrid, index, scale, corner, left, top, width, height, this.store.isSmooth, parts]);
    const kept = this.kept.get(number) ?? emptyImage();
    if (kept.key === key) return kept.canvas;
    const { canvas, context } = kept;
    Object.assign(canvas, { width: Math.ceil(width) + 1, height: Math.ceil(height) + 1 }); // this clears it
    context.translate(-Math.floor(left), -Math.floor(top));
    for (const structure of structures) this.stroke(context, viewport, index, structure, styleOf(structure, false));
    this.kept.set(number, Object.assign(kept, { key }));
    return canvas;
  }

  stroke(context, viewport, index, structure, { dash, width, hasHalo }) {
    const path = new Path2D();
    path.addPath(structure.path(viewport, index, this.store.isSmooth), new DOMMatrix([viewport.scale[0], 0, 0, viewport.scale[1], viewport.corner[0], viewport.corner[1]]));
    context.lineJoin = "bevel";
    if (hasHalo) {
      Object.assign(context, { lineWidth: (width + HALO_WIDTH) * viewport.ratio, strokeStyle: "rgb(0 0 0 / 55%)" });
      context.setLineDash([]);
      context.stroke(path);
    }
    Object.assign(context, { lineWidth: width * viewport.ratio, strokeStyle: structure.colour });
    context.setLineDash(dash.map((pixels) => pixels * viewport.ratio));
    context.stroke(path);
  }
}

function emptyImage() {
  const canvas = document.createElement("canvas");
  return { canvas, context: canvas.getContext("2d", { willReadFrequently: true }) };
}
