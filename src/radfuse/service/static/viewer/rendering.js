// Volume rendering by NiiVue, cut at the crosshair's height.

const NIIVUE = "vendor/niivue.umd.js"; // 2 MB, which no image waits for
const MAX_VOXELS = 128; // along an axis
const SOFTWARE_PIXEL_RATIO = 0.35; // rendered per screen pixel without a GPU
const CUT_DELAY_MS = 250; // after the last move of the crosshair
const FLOAT32 = 16;
const CLIP_ELEVATION_DEG = 90;
const SCALE = 1.5;

// Run a script that defines a global name.
const loadScript = (src) =>
  new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src, onload: resolve, onerror: () => reject(new Error(src)) });
    document.head.append(script);
  });

export class Rendering {
  constructor(canvas) {
    this.canvas = canvas;
  }

  // Render a volume with a display range; loads one volume after the other.
  show(volume, range) {
    const requested = (this.requested = { volume, range });
    this.loading = (this.loading ?? Promise.resolve()).then(() => this.requested === requested && this.load(volume, range));
    return this.loading;
  }

  clear() {
    this.requested = this.shown = null;
    this.removeAll();
  }

  removeAll() {
    for (const shown of [...(this.nv?.volumes ?? [])]) this.nv.removeVolume(shown);
  }

  async load(volume, range) {
    const requested = this.requested;
    if (this.shown?.volume === volume && String(this.shown.range) === String(range)) return;
    this.nv ??= await this.createNiivue();
    const { data, size, affine } = subsample(volume, range);
    const spacing = [0, 1, 2].map((column) => Math.hypot(...[0, 1, 2].map((row) => affine[row][column])));
    const bytes = await this.nv.createNiftiArray(size, spacing, affine.flat(), FLOAT32, new Uint8Array(data.buffer));
    const image = await this.nv.niftiArray2NVImage(bytes);
    if (this.requested !== requested) return;
    this.removeAll();
    Object.assign(image, { cal_min: 0.15, cal_max: 1 });
    this.nv.addVolume(image);
    this.shown = requested;
  }

  async createNiivue() {
    await loadScript(NIIVUE);
    const nv = new niivue.Niivue({ forceDevicePixelRatio: hasGpu() ? 0 : SOFTWARE_PIXEL_RATIO, backColor: [0, 0, 0, 1], clipPlaneColor: [0, 0, 0, 0], isOrientCube: true, dragAndDropEnabled: false, loadingText: "", viewModeHotKey: "None", clipPlaneHotKey: "None", cycleClipPlaneHotKey: "None", logLevel: "error" });
    await nv.attachToCanvas(this.canvas);
    nv.setSliceType(nv.sliceTypeRender);
    nv.setRenderAzimuthElevation(160, 35);
    nv.setScale(SCALE);
    return nv;
  }

  // Remove everything above a height in [0, 1].
  cutAt(height) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.nv?.setClipPlane([height - 0.5, 0, CLIP_ELEVATION_DEG]), CUT_DELAY_MS);
  }
}

// Whether the browser can render at all; some have no WebGL without a GPU.
export const canRender = () => Boolean(document.createElement("canvas").getContext("webgl2"));

function hasGpu() {
  const gl = document.createElement("canvas").getContext("webgl2");
  const names = gl?.getExtension("WEBGL_debug_renderer_info");
  return Boolean(gl) && !/swiftshader|llvmpipe|software/i.test(gl.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
}

// Every nth voxel, scaled to [0, 1], with the affine in RAS as in NIfTI.
function subsample({ data, size, step, mmFromVoxel }, [low, high]) {
  const strides = size.map((count) => Math.ceil(count / MAX_VOXELS));
  const counts = size.map((count, axis) => Math.ceil(count / strides[axis]));
  const values = new Float32Array(counts[0] * counts[1] * counts[2]);
  let to = 0;
  for (let z = 0; z < size[2]; z += strides[2])
    for (let y = 0; y < size[1]; y += strides[1])
      for (let x = 0; x < size[0]; x += strides[0]) {
        const value = data[(z * size[1] + y) * size[0] + x] * step;
        values[to++] = Math.min(Math.max((value - low) / (high - low), 0), 1);
      }
  const affine = mmFromVoxel.map((row, i) => row.map((value, j) => value * (j < 3 ? strides[j] : 1) * (i < 2 ? -1 : 1)));
  return { data: values, size: counts, affine };
}
