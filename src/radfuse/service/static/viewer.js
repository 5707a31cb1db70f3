// The thin layer over NiiVue: three volumes on one grid, looked at together.

const CT = 0, MR = 1, FUSED = 2;
const FULL_SCALE = 4095;
const PLANES = { axial: 0, coronal: 1, sagittal: 2, all: 3 };
const UPPER = {
  fused: { index: FUSED, colormap: "gray", ct: "gray" },
  mr: { index: MR, colormap: "gray", ct: "gray" },
  "mr-hot": { index: MR, colormap: "hot", ct: "gray" },
  "magenta-green": { index: MR, colormap: "violet", ct: "green", adds: true },
};

export class Viewer {
  constructor(canvas, onCursor) {
    this.canvas = canvas;
    this.upper = "fused";
    this.blend = 1;
    this.nv = new niivue.Niivue({
      isRadiologicalConvention: true,
      sliceType: PLANES.all,
      multiplanarShowRender: 0,
      multiplanarEqualSize: true,
      crosshairWidth: 0.6,
      crosshairWidthUnit: "mm",
      crosshairGap: 8,
      isCornerOrientationText: true,
      crosshairColor: [1, 0.84, 0.29, 1],
      backColor: [0, 0, 0, 1],
      isColorbar: false,
      dragAndDropEnabled: false,
      loadingText: "",
      viewModeHotKey: "None",
      clipPlaneHotKey: "None",
      cycleClipPlaneHotKey: "None",
      logLevel: "error",
    });
    this.nv.onLocationChange = (at) => onCursor(reading(at));
    this.ready = this.nv.attachToCanvas(canvas);
  }

  async show(urls, mrRange) {
    await this.ready;
    const mr = { cal_min: mrRange[0], cal_max: mrRange[1] };
    await this.nv.loadVolumes([
      { url: urls.ct, name: "ct.nii.gz", colormap: "gray" },
      { url: urls.mr, name: "mr.nii.gz", colormap: "gray", opacity: 0, ...mr },
      { url: urls.fused, name: "fused.nii.gz", colormap: "gray", cal_min: 0, cal_max: FULL_SCALE },
    ]);
    this.refresh();
    this.nv.createOnLocationChange();
  }

  get isShowing() {
    return this.nv.volumes.length === 3;
  }

  setUpper(name) {
    this.upper = name;
    this.refresh();
  }

  setBlend(share) {
    this.blend = share;
    this.refresh();
  }

  setWindow([width, level]) {
    this.window = [level - width / 2, level + width / 2];
    this.refresh();
  }

  setPlanes(name) {
    this.nv.setSliceType(PLANES[name]);
  }

  move(right, front, up) {
    if (this.isShowing) this.nv.moveCrosshairInVox(right, front, up);
  }

  refresh() {
    if (!this.isShowing) return;
    const look = UPPER[this.upper];
    const [ct, mr, fused] = this.nv.volumes;
    if (this.window) [ct.cal_min, ct.cal_max] = this.window;
    ct.colormap = look.ct;
    mr.opacity = fused.opacity = 0;
    this.nv.volumes[look.index].colormap = look.colormap;
    this.nv.volumes[look.index].opacity = this.blend;
    this.nv.opts.isAdditiveBlend = Boolean(look.adds);
    this.nv.updateGLVolume();
  }
}

function reading(at) {
  const values = at.values.map((one) => one.value);
  // NiiVue speaks of RAS; the project, DICOM and radiologists of LPS
  return { lps: [-at.mm[0], -at.mm[1], at.mm[2]], hu: values[CT], mr: values[MR], fused: values[FUSED] / FULL_SCALE };
}
