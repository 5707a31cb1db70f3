// Further images of the patient, each an overlay of its own: MR sequences in grey, PET and SPECT in colour.

import * as api from "../api.js";
import { apply, multiply } from "./geometry.js";
import { COLOUR_MAPS, piecewiseMap } from "./compose.js";
import { Volume, resamplePlane } from "./volume.js";

export class FurtherImage {
  constructor(number, { label, unit, value_range, image_from_ct, colour_map }, volume, colourMaps) {
    Object.assign(this, { name: `further-${number}`, label, unit, range: value_range, fromCt: image_from_ct, volume });
    this.isColour = Boolean(colour_map);
    this.map = this.isColour ? piecewiseMap(colourMaps[colour_map]) : COLOUR_MAPS.grey;
  }

  plane(grid, plane, index) {
    const fromGrid = multiply(this.volume.voxelFromMm, this.fromCt, grid.mmFromVoxel);
    return resamplePlane(this.volume, fromGrid, grid.size, plane, index);
  }

  // The value at a position of the CT, LPS mm; null outside.
  valueAt(mm) {
    return this.volume.valueAt(apply(this.volume.voxelFromMm, apply(this.fromCt, mm)));
  }
}

// The further images of a view of a run.
export function loadFurther(id, view, run, colourMaps) {
  const load = async (one, number) => new FurtherImage(number, one, await Volume.load(api.furtherUrl(id, number, run), one.volume), colourMaps);
  return Promise.all(view.further.map(load));
}
