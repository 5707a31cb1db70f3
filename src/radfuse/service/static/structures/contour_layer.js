// The layer of the viewer that draws the contours of all visible structures, and a suggestion.

import { CT_PLANES } from "./structure.js";

const DASHES = { solid: [], dashed: [7, 4], dotted: [1.5, 3.5] }; // pixels
const SUGGESTED_DASH = [3, 3], SUGGESTED_WIDTH = 2, HALO_WIDTH = 2;

export class ContourLayer {
  constructor(store) {
    Object.assign(this, { store, isSmooth: true, suggestion: null });
  }

  draw(context, viewport, index) {
    if (!(viewport.plane in CT_PLANES)) return;
    context.save();
    for (const structure of this.store.list) {
      const style = { dash: DASHES[structure.line], width: structure.lineWidth, hasHalo: structure === this.store.active };
      if (structure.isVisible) this.stroke(context, viewport, index, structure, style);
    }
    if (this.suggestion) this.stroke(context, viewport, index, this.suggestion, { dash: SUGGESTED_DASH, width: SUGGESTED_WIDTH, hasHalo: true });
    context.restore();
  }

  stroke(context, viewport, index, structure, { dash, width, hasHalo }) {
    const path = new Path2D();
    path.addPath(structure.path(viewport, index, this.isSmooth), new DOMMatrix([viewport.scale[0], 0, 0, viewport.scale[1], viewport.corner[0], viewport.corner[1]]));
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
