// Bars of the colours of the shown layers with their lowest and highest displayed value and unit, in the first viewport.

import { ImageLayers } from "../viewer/image_layers.js";

const SIZE = [10, 130], MARGIN = 12, STEP = 96; // screen pixels
const STEPS = 64;

export class ColourBar {
  constructor(viewer) {
    Object.assign(this, { viewer, isOblique: true });
  }

  // Layers in colour, and the label of each where there are several.
  draw(context, viewport) {
    const { viewer } = this;
    if (viewport.show || viewport !== viewer.viewports[0] || !viewer.hasOverlay) return;
    const layers = viewer.imageLayers.shown.filter(({ map }) => map !== "grey");
    layers.forEach((layer, i) => this.drawBar(context, viewport, layer, i, layers.length > 1));
  }

  drawBar(context, viewport, layer, number, hasLabel) {
    const { viewer } = this;
    const { colours } = ImageLayers.colours(layer);
    const [width, height, margin, step] = [...SIZE, MARGIN, STEP].map((pixels) => pixels * viewport.ratio);
    const [left, bottom] = [viewport.left + margin + number * step, viewport.top + viewport.height - margin];
    for (let slice = 0; slice < STEPS; slice++) {
      const at = 3 * Math.round((255 * slice) / (STEPS - 1));
      context.fillStyle = `rgb(${[...colours.subarray(at, at + 3)]})`;
      context.fillRect(left, bottom - ((slice + 1) * height) / STEPS, width, height / STEPS + 1);
    }
    const [low, high] = viewer.rangeOf(layer.name).map((value) => Number(value.toPrecision(3)));
    viewer.write(`${low}`, left + width + margin / 2, bottom, "left");
    viewer.write(`${high} ${viewer.unitOf(layer.name)}`.trim(), left + width + margin / 2, bottom - height, "left");
    if (hasLabel) viewer.write(viewer.labelOf(layer.name), left, bottom - height - 1.5 * margin, "left");
  }
}
