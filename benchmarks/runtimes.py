"""OpenVINO compared with ONNX Runtime: processor time and difference of packaged networks.

`python benchmarks/runtimes.py [METHOD]...` with `OMP_NUM_THREADS=1`, after `pip install
onnxruntime`; radfuse does not need it. Both fuse the same smooth noise of 256 x 256 pixels.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from scipy.ndimage import gaussian_filter

from radfuse.arrays import Float32Array
from radfuse.methods.catalogue import shipped_graph
from radfuse.methods.onnx import OnnxMethod

NAMES = ("mfinet", "res2fusion", "densefuse", "u2fusion", "csf", "pmgi", "ifcnn", "rfnnest")

REPETITIONS = 5

SIDE = 256
"""Pixels."""


def images(rng: np.random.Generator) -> Float32Array:
    """Smooth noise (1, SIDE, SIDE) in [0, 1]."""
    noise = gaussian_filter(rng.random((1, SIDE, SIDE)), (0, 2, 2))
    scaled: Float32Array = ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)
    return scaled


def least_s(fuse: Callable[[], Any]) -> float:
    """Processor time of the fastest of some fusions."""
    times = []
    for _ in range(REPETITIONS):
        began = time.process_time()
        fuse()
        times.append(time.process_time() - began)
    return min(times)


def compare(name: str) -> str:
    """A row of the table for one method."""
    rng = np.random.default_rng(1)
    ct, mr = images(rng), images(rng)
    path = shipped_graph(name)
    method = OnnxMethod(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = {"ct": ct, "mr": mr}
    difference = np.abs(method(ct, mr) - session.run(None, inputs)[0]).max() * 255
    ours, theirs = least_s(lambda: method(ct, mr)), least_s(lambda: session.run(None, inputs))
    return f"| {name} | {ours:.3f} | {theirs:.3f} | {theirs / ours:.2f} | {difference:.4f} |"


if __name__ == "__main__":
    for one in sys.argv[1:] or NAMES:
        print(compare(one), flush=True)
