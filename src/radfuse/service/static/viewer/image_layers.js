// The images that may be shown on the CT, from the bottom: whether each is shown, its opacity, colour map and range.

import { COLOUR_MAPS } from "./compose.js";

// The choices of the toolbar's overlay: an image with a colour map.
const CHOICES = { fused: ["fused", "grey"], mr: ["mr", "grey"], "mr-hot": ["mr", "hot"], "magenta-green": ["mr", "green"] };
const nameOf = (choice) => CHOICES[choice]?.[0] ?? choice;
const ORDER = ["fused", "mr"]; // of the first layers; further images follow

export class ImageLayers {
  constructor() {
    Object.assign(this, { list: [], wanted: null });
  }

  named(name) {
    return this.list.find((layer) => layer.name === name);
  }

  get shown() {
    return this.list.filter((layer) => layer.isShown);
  }

  // The uppermost shown layer: that of the toolbar's opacity.
  get top() {
    return this.shown.at(-1) ?? null;
  }

  isShown(name) {
    return Boolean(this.named(name)?.isShown);
  }

  // Add images without a layer and remove layers without an image: [name, colour map, opacity] of each image.
  update(images) {
    if (!images.length) return Object.assign(this, { list: [], wanted: null });
    const kept = this.list.filter(({ name }) => images.some(([image]) => image === name));
    const removed = this.list.filter((layer) => layer.isShown && !kept.includes(layer));
    if (removed.length) this.wanted = removed.at(-1).name;
    const made = images.filter(([name]) => !kept.some((layer) => layer.name === name));
    this.list = [...kept, ...made.map(([name, map, opacity]) => ({ name, map, opacity, isShown: false }))];
    const rank = ({ name }) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
    if (made.length) this.list = this.list.map((layer, i) => [layer, i]).sort(([a, i], [b, j]) => rank(a) - rank(b) || i - j).map(([layer]) => layer);
    if (this.wanted && this.named(nameOf(this.wanted))) this.choose(this.wanted);
  }

  // Show one choice of the toolbar alone; one without an image as soon as there is one, and the MR until then.
  choose(choice) {
    const [, map] = CHOICES[choice] ?? [];
    const wanted = this.named(nameOf(choice)), chosen = wanted ?? this.named("mr");
    this.wanted = wanted ? null : choice;
    for (const layer of this.list) layer.isShown = layer === chosen;
    if (wanted && map) wanted.map = map;
  }

  // The choice that is shown; empty for none, several layers or another colour map.
  get choice() {
    if (this.shown.length !== 1) return "";
    const { name, map } = this.top;
    return Object.keys(CHOICES).find((key) => CHOICES[key][0] === name && CHOICES[key][1] === map) ?? (name.startsWith("further") ? name : "");
  }

  // Move a layer one step up (1) or down (-1).
  move(layer, step) {
    const from = this.list.indexOf(layer), to = from + step;
    if (to < 0 || to >= this.list.length) return;
    [this.list[from], this.list[to]] = [this.list[to], this.list[from]];
  }

  static colours(layer) {
    return COLOUR_MAPS[layer.map] ?? COLOUR_MAPS.grey;
  }
}
