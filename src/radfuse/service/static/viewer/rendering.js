// The thin layer over NiiVue: a turning view of the head, cut at the cursor's height.

const MOST_VOXELS = 128; // along an axis
const COARSE = 0.35; // pixels a pixel of the screen where rays are cast without a GPU
const PAUSE_MS = 250; // of the cursor, after which the cut follows it
const FLOAT32 = 16;
const FROM_ABOVE = 90;
const CLOSER = 1.5;

export class Rendering {
  constructor(canvas) {
    this.canvas = canvas;
  }

  // A volume, with the values that become black and white; one after the other.
  show(volume, range) {
    const wanted = (this.wanted = { volume, range });
    this.turn = (this.turn ?? Promise.resolve()).then(() => this.wanted === wanted && this.load(volume, range));
    return this.turn;
  }

  clear() {
    this.wanted = this.shown = null;
    this.removeAll();
  }

  removeAll() {
    for (const shown of [...(this.nv?.volumes ?? [])]) this.nv.removeVolume(shown);
  }

  async load(volume, range) {
    const wanted = this.wanted;
    if (this.shown?.volume === volume && String(this.shown.range) === String(range)) return;
    this.nv ??= await this.attached();
    const { data, size, affine } = coarse(volume, range);
    const spacing = [0, 1, 2].map((column) => Math.hypot(...[0, 1, 2].map((row) => affine[row][column])));
    const bytes = await this.nv.createNiftiArray(size, spacing, affine.flat(), FLOAT32, new Uint8Array(data.buffer));
    const image = await this.nv.niftiArray2NVImage(bytes);
    if (this.wanted !== wanted) return;
    this.removeAll();
    Object.assign(image, { cal_min: 0.15, cal_max: 1 });
    this.nv.addVolume(image);
    this.shown = wanted;
  }

  async attached() {
    const nv = new niivue.Niivue({ forceDevicePixelRatio: hasGpu() ? 0 : COARSE, backColor: [0, 0, 0, 1], clipPlaneColor: [0, 0, 0, 0], isOrientCube: true, dragAndDropEnabled: false, loadingText: "", viewModeHotKey: "None", clipPlaneHotKey: "None", cycleClipPlaneHotKey: "None", logLevel: "error" });
    await nv.attachToCanvas(this.canvas);
    nv.setSliceType(nv.sliceTypeRender);
    nv.setRenderAzimuthElevation(160, 35);
    nv.setScale(CLOSER);
    return nv;
  }

  // Cut everything above this share of the height away.
  cutAt(share) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.nv?.setClipPlane([share - 0.5, 0, FROM_ABOVE]), PAUSE_MS);
  }
}

function hasGpu() {
  const gl = document.createElement("canvas").getContext("webgl2");
  const names = gl?.getExtension("WEBGL_debug_renderer_info");
  return Boolean(gl) && !/swiftshader|llvmpipe|software/i.test(gl.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
}

// Every nth voxel, scaled to [0, 1], with its affine in RAS as NIfTI has it.
function coarse({ data, size, step, mmFromVoxel }, [low, high]) {
  const strides = size.map((count) => Math.ceil(count / MOST_VOXELS));
  const few = size.map((count, axis) => Math.ceil(count / strides[axis]));
  const values = new Float32Array(few[0] * few[1] * few[2]);
  let to = 0;
  for (let z = 0; z < size[2]; z += strides[2])
    for (let y = 0; y < size[1]; y += strides[1])
      for (let x = 0; x < size[0]; x += strides[0]) {
        const value = data[(z * size[1] + y) * size[0] + x] * step;
        values[to++] = Math.min(Math.max((value - low) / (high - low), 0), 1);
      }
  const affine = mmFromVoxel.map((row, i) => row.map((value, j) => value * (j < 3 ? strides[j] : 1) * (i < 2 ? -1 : 1)));
  return { data: values, size: few, affine };
}
