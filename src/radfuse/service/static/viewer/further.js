// Further images of the patient, each an overlay of its own: MR sequences in grey, PET and SPECT in colour.

import * as api from "../api.js";
import { apply } from "./geometry.js";
import { COLOUR_MAPS, piecewiseMap } from "./compose.js";
import { Volume } from "./volume.js";

export class FurtherImage {
  constructor(number, { label, unit, value_range, image_from_ct, colour_map }, volume) {
    Object.assign(this, { name: `further-${number}`, label, unit, range: value_range, fromCt: image_from_ct, registered: image_from_ct, volume });
    this.isColour = Boolean(colour_map);
    this.mapName = colour_map || "grey";
  }

  // Whether it was moved since its registration.
  get isMoved() {
    return JSON.stringify(this.fromCt) !== JSON.stringify(this.registered);
  }

  // The value at a position of the CT, LPS mm; null outside.
  valueAt(mm) {
    return this.volume.valueAt(apply(this.volume.voxelFromMm, apply(this.fromCt, mm)));
  }
}

// Add the server's colour maps to those of the viewer.
export function addColourMaps(colourMaps) {
  for (const [name, map] of Object.entries(colourMaps)) COLOUR_MAPS[name] = piecewiseMap(map);
}

// The further images of a view of a run.
export function loadFurther(id, view, run) {
  const load = async (one, number) => new FurtherImage(number, one, await Volume.load(api.furtherUrl(id, number, run), one.volume));
  return Promise.all(view.further.map(load));
}
