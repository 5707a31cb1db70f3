// The panel of tasks beside the images: hidden, the images have its width, as needed at a zoom of 200 %.

import { byId, setPressed } from "../dom.js";

export class SidePanel {
  constructor() {
    byId("hide-controls").addEventListener("click", () => this.toggle());
    new MutationObserver(() => byId("error").hidden || this.show(true)).observe(byId("error"), { attributeFilter: ["hidden"] });
  }

  toggle() {
    this.show(byId("controls").hidden);
    if (byId("controls").hidden) byId("viewer").scrollIntoView(); // in a low window, which scrolls
  }

  show(isShown) {
    byId("controls").hidden = !isShown;
    setPressed(byId("hide-controls"), !isShown);
  }

  get keys() {
    return { s: () => this.toggle() };
  }
}
