// Region growing from a click, in any plane; the server computes the region.

import { Tool } from "./tool.js";

export class RegionGrowing extends Tool {
  down(viewport, voxel, event) {
    if (!this.canDraw({ plane: "axial" })) return false;
    this.panel.grow(voxel.map(Math.round), this.value(event) === 0);
  }
}
