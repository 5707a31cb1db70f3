// Controls that move the MR: the tool and its keys, the six values, undo and redo.

import { byId, createElement, setPressed } from "../dom.js";
import { text, textNodes } from "../text.js";
import { AlignTool } from "./align_tool.js";
import { MR } from "./alignment.js";
import { NudgeKeys } from "./nudge_keys.js";
import { SixValues } from "./six_values.js";

const button = (id, ...content) => createElement("button", { type: "button", id }, ...content);
const label = (htmlFor, ...content) => createElement("label", { htmlFor }, ...content);
const row = (...children) => createElement("div", { className: "row" }, ...children);

export class AlignSection {
  constructor(viewer, alignment) {
    Object.assign(this, { viewer, alignment });
    this.build();
    this.tool = new AlignTool(viewer, alignment, () => byId("align-pivot").value);
    this.values = new SixValues(viewer, alignment);
    new NudgeKeys(viewer, this.tool, alignment, () => byId("align-keys").value === "rotate");
    byId("align").addEventListener("click", () => this.toggle());
    byId("align-pivot").addEventListener("change", () => viewer.requestDraw());
    byId("undo-alignment").addEventListener("click", () => alignment.undo());
    byId("redo-alignment").addEventListener("click", () => alignment.redo());
    alignment.addEventListener("change", () => this.render());
    byId("align-image").addEventListener("change", () => this.chooseImage());
    viewer.addEventListener("further", () => this.showImages());
    viewer.addEventListener("tool", () => this.showTool());
    viewer.addEventListener("layout", () => viewer.layout === "landmarks" && this.leave()); // a click moves a crosshair there
  }

  build() {
    const values = (kind) => createElement("div", { id: `${kind}-values`, className: "values" });
    byId("align-section").append(
      createElement("div", { className: "pairs-of-fields", hidden: true }, label("align-image", text("align.image")), createElement("select", { id: "align-image" })),
      row(button("align", ...textNodes("align.align")), button("undo-alignment", text("align.undo")), button("redo-alignment", text("align.redo"))),
      createElement("p", { id: "align-hint", hidden: true }, ...textNodes("align.hint")),
      createElement("div", { className: "pairs-of-fields" },
        label("align-pivot", text("align.pivot")),
        createElement("select", { id: "align-pivot" }, ...["crosshair", "centre"].map((name) => new Option(text(`align.pivot-${name}`), name))),
        label("align-keys", ...textNodes("align.keys")),
        createElement("select", { id: "align-keys" }, ...["move", "rotate"].map((name) => new Option(text(`align.keys-${name}`), name))),
      ),
      createElement("fieldset", { id: "sliders" }, createElement("legend", {}, text("align.translation")), values("translation")),
      createElement("fieldset", {}, createElement("legend", {}, text("align.rotation")), values("rotation")),
      label("values-reference", text("align.reference")),
      createElement("select", { id: "values-reference" }, ...["start", "headers"].map((name) => new Option(text(`align.reference-${name}`), name))),
      createElement("p", { id: "values-convention", className: "quiet" }),
    );
  }

  // Dragging moves the MR until the tool is chosen again. The MR is displayed, as it could not be judged otherwise.
  toggle() {
    const { viewer, tool } = this;
    if (viewer.tool === tool) return viewer.setTool(null);
    if (!viewer.isShowing) return;
    if (viewer.layout === "landmarks") viewer.set({ layout: "planes" });
    if (viewer.frame !== "ct") viewer.set({ frame: "ct" });
    this.showImage();
    viewer.setTool(tool);
    viewer.canvas.focus();
  }

  // Show the edited image, if it is not shown.
  showImage() {
    const { viewer, alignment: { image } } = this;
    if (!viewer.imageLayers.isShown(image)) viewer.set({ overlay: image === MR ? "magenta-green" : image });
  }

  // Show what can be edited: the MR, and the further images of a result.
  showImages() {
    const { further } = this.viewer;
    byId("align-image").replaceChildren(new Option("MR", MR), ...further.map(({ name, label }) => new Option(label, name)));
    byId("align-image").value = this.alignment.image;
    byId("align-image").parentElement.hidden = further.length === 0;
  }

  chooseImage() {
    this.alignment.edit(byId("align-image").value);
    this.showImage();
  }

  leave() {
    if (this.viewer.tool === this.tool) this.viewer.setTool(null);
  }

  showTool() {
    const isChosen = this.viewer.tool === this.tool;
    setPressed(byId("align"), isChosen);
    byId("align-hint").hidden = !isChosen;
  }

  render() {
    byId("align-image").value = this.alignment.image;
    const { undoLabel, redoLabel } = this.alignment;
    for (const [name, change] of [["undo", undoLabel], ["redo", redoLabel]]) {
      byId(`${name}-alignment`).disabled = !change;
      byId(`${name}-alignment`).title = change && text(`align.change-${change}`);
    }
    this.values.render();
  }

  get keys() {
    const { alignment } = this;
    const redo = () => alignment.redo();
    return {
      a: () => this.toggle(),
      r: () => (byId("align-keys").selectedIndex = 1 - byId("align-keys").selectedIndex),
      "ctrl+z": () => alignment.undo(),
      "ctrl+y": redo,
      "ctrl+shift+z": redo,
    };
  }
}
