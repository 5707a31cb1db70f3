// Region growing from a click; the server computes it.

import { Tool } from "../viewer/tool.js";

export class Grow extends Tool {
  down(viewport, voxel, event) {
    if (!this.mayDraw({ plane: "axial" })) return false;
    this.desk.grow(voxel.map(Math.round), this.value(event) === 0);
  }
}
