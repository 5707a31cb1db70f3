// The colours of a PET or SPECT overlay with the lowest and highest displayed value, in the first viewport.

const SIZE = [10, 130], MARGIN = 12; // screen pixels
const STEPS = 64;

export class ColourBar {
  constructor(viewer) {
    this.viewer = viewer;
  }

  draw(context, viewport) {
    const { viewer } = this;
    const image = viewport.show ? null : viewer.furtherNamed(viewer.overlay);
    if (!image?.isColour || viewport !== viewer.viewports[0]) return;
    const [width, height, margin] = [...SIZE, MARGIN].map((pixels) => pixels * viewport.ratio);
    const [left, bottom] = [viewport.left + margin, viewport.top + viewport.height - margin];
    for (let step = 0; step < STEPS; step++) {
      const at = 3 * Math.round((255 * step) / (STEPS - 1));
      context.fillStyle = `rgb(${[...image.map.colours.subarray(at, at + 3)]})`;
      context.fillRect(left, bottom - ((step + 1) * height) / STEPS, width, height / STEPS + 1);
    }
    const [low, high] = image.range.map((value) => Number(value.toPrecision(3)));
    viewer.write(`${low}`, left + width + margin / 2, bottom, "left");
    viewer.write(`${high} ${image.unit}`.trim(), left + width + margin / 2, bottom - height, "left");
  }
}
