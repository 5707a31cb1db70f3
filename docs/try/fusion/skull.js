// The skull: bone that is large in 3-D, and the tissue inside it.

import { distances, labelled, largestPart } from "./filters.js";
import { joined, maskLike, masked } from "./volume.js";

const SKULL_MM3 = 1000; // least volume of connected bone that is skull
const SKULL_MM2 = 100; // least area of it in an image of one slice
const OPENING_MM = 9; // larger than what joins brain and neck
const EDGE_MM = 1.5; // added at the edge, which the opening rounds off

export class Skull {
  // `parts` are the slices in HU, some whole blocks at a time.
  constructor(grid, boneHu, parts) {
    const share = joined(parts.map((hu) => grid.reduce(masked(hu, (i) => hu.data[i] >= boneHu))));
    const { labels, count } = labelled(share, true);
    const volumes = new Float64Array(count + 1);
    const blockMm3 = grid.spacingMm.reduce((product, step) => product * step, 1);
    labels.forEach((label, i) => { volumes[label] += share.data[i]; });
    const least = grid.shape[0] > 1 ? SKULL_MM3 : SKULL_MM2 * grid.spacingMm[0];
    this.grid = grid;
    this.boneHu = boneHu;
    this.blocks = masked(share, (i) => labels[i] && volumes[labels[i]] * blockMm3 >= least);
  }

  // Voxels of the skull in slices whose HU are given, from the slice `start` on.
  mask({ shape: [depth, rows, columns], data }, start) {
    const mask = maskLike({ shape: [depth, rows, columns] });
    for (let z = 0, i = 0; z < depth; z++)
      for (let y = 0; y < rows; y++)
        for (let x = 0; x < columns; x++, i++)
          if (data[i] >= this.boneHu && this.grid.repeated(this.blocks, start + z, y, x)) mask.data[i] = 1;
    return mask;
  }
}

// The brain's part of tissue that is not skull: the largest that an opening leaves.
export function insideSkull(tissue, spacingMm) {
  const depth = distances(tissue, spacingMm);
  const largest = largestPart(masked(tissue, (i) => depth[i] > OPENING_MM));
  if (!largest.data.includes(1)) return largest;
  const away = distances(masked(largest, (i) => !largest.data[i]), spacingMm);
  return masked(tissue, (i) => tissue.data[i] && away[i] <= OPENING_MM + EDGE_MM);
}
