// Networks run by onnxruntime-web: WebAssembly, or WebGPU where the browser has it.
//
// Every file comes from this site; the runtime and the graphs are stored in gzip, so that their
// transfer is small with any server.

import { unpacked } from "./files/bytes.js";

const FLAVOURS = {
  wasm: { loader: "ort.wasm.min.mjs", module: "ort-wasm-simd-threaded" },
  webgpu: { loader: "ort.jspi.min.mjs", module: "ort-wasm-simd-threaded.jspi" },
};
const MAX_THREADS = 4;
const OPTIMISATION = "basic"; // more takes seconds longer and computes no faster

const url = (path) => new URL(path, import.meta.url).href;

async function fetched(path) {
  const response = await fetch(url(path));
  if (!response.ok) throw new Error(`${path} could not be loaded (${response.status}); reload and try again.`);
  return unpacked(new Uint8Array(await response.arrayBuffer()), path);
}

// Whether this browser has a graphics processor for WebGPU, and what the runtime needs for it.
export async function hasWebGpu() {
  if (!("gpu" in navigator) || !("Suspending" in WebAssembly)) return false;
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  return Boolean(adapter) && !adapter.info?.isFallbackAdapter;
}

// The threads that a network may use: several only where the server isolates the site.
export const threads = () =>
  (globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MAX_THREADS) : 1);

const runtimes = new Map();
const sessions = new Map();

async function started(kind) {
  const { loader, module } = FLAVOURS[kind];
  const [ort, wasm] = await Promise.all([import(url(`ort/${loader}`)), fetched(`ort/${module}.wasm.gz`)]);
  ort.env.wasm.wasmBinary = wasm.buffer;
  ort.env.wasm.wasmPaths = { mjs: url(`ort/${module}.mjs`), wasm: url(`ort/${module}.wasm`) };
  ort.env.wasm.numThreads = threads();
  ort.env.logLevel = "error";
  return ort;
}

function once(map, key, make) {
  if (!map.has(key)) {
    const made = make();
    map.set(key, made);
    made.catch(() => map.delete(key));
  }
  return map.get(key);
}

const runtime = (kind) => once(runtimes, kind, () => started(kind));

async function opened(kind, network) {
  const [ort, graph] = await Promise.all([runtime(kind), fetched(`models/${network}.onnx.gz`)]);
  const options = { executionProviders: [kind], graphOptimizationLevel: OPTIMISATION };
  return ort.InferenceSession.create(graph, options);
}

// Load a network before it is used.
export const prepared = (kind, network) => once(sessions, `${kind} ${network}`, () => opened(kind, network));

// The name of what runs a network, with its version.
export async function nameOf(kind) {
  const { env } = await runtime(kind);
  const version = env.versions?.web ?? "";
  if (kind === "webgpu") return `onnxruntime-web ${version}, WebGPU`;
  return `onnxruntime-web ${version}, WebAssembly, ${threads()} ${threads() > 1 ? "threads" : "thread"}`;
}

// A slice fused by a network: CT and MR of shape [1, rows, columns] in [0, 1], float32.
export async function fusedBy(kind, network, ct, mr) {
  const [ort, session] = await Promise.all([runtime(kind), prepared(kind, network)]);
  const tensor = ({ shape, data }) => new ort.Tensor("float32", Float32Array.from(data), shape);
  const { fused } = await session.run({ ct: tensor(ct), mr: tensor(mr) });
  const values = Float32Array.from(await fused.getData(), (value) => Math.min(Math.max(value, 0), 1));
  fused.dispose();
  if (!values.every(Number.isFinite)) throw new Error(`${network} has computed values that are not finite.`);
  return { shape: ct.shape, data: values };
}
