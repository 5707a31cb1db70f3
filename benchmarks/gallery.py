"""Contact sheets: the result of every method on a pair, side by side.

    python benchmarks/gallery.py FOLDER [--pairs PAIRS]

Writes a sheet per pair, NAME.webp, and README.md into FOLDER. Methods are those of the catalogue
that are not slow, and all installed weights. Pairs are those of a folder with CT/NAME.png and
MRI/NAME.png, or slices of synthetic phantoms, as in `docs/benchmarks/gallery`: images of patients
may not be published here.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from radfuse.arrays import Float32Array
from radfuse.intensity import window_named
from radfuse.io.image_pairs import read_image_pairs
from radfuse.methods.catalogue import usual_methods
from radfuse.methods.head import ArrayHead, HeadMethod
from radfuse.methods.installed import weights_folder, weights_in
from radfuse.methods.loading import load_method
from radfuse.phantom.head import Label, make_phantom
from radfuse.pipeline.volume import fuse_head, scale_volumes, whole
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.record import NOTICE

Slice = tuple[Float32Array, Float32Array, ArrayHead | None, int]
"""CT and MR, (H, W) in [0, 1]; the head that they are of, if any, and which of its slices."""

Images = Mapping[str, Slice]
"""By name."""

PHANTOM_SEEDS = (1, 2, 3, 4, 5, 6)
"""Seeds of the phantoms."""

HEIGHTS = (0.35, 0.55, 0.75)
"""Heights of the slices as fractions of the head; one more slice is through the tumour."""

TILE_PX, COLUMNS, LABEL_PX = 192, 6, 16
"""Side of a tile, tiles per row, height of the name above each."""

QUALITY = 85
"""Of WebP, of 100."""


def phantom_slices() -> Iterator[tuple[str, Slice]]:
    """Slices of each phantom: one through the middle of the tumour, others across the head."""
    window = window_named(DEFAULT_WINDOW)
    for seed in PHANTOM_SEEDS:
        phantom = make_phantom(seed)
        volumes = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, window)
        labels = sitk.GetArrayViewFromImage(phantom.labels)[volumes.box]
        hu = sitk.GetArrayFromImage(phantom.ct.image)[volumes.box].astype(np.float32)
        head = ArrayHead(hu, volumes.mr, phantom.ct.image.GetSpacing()[::-1])
        tumour = int(np.flatnonzero((labels == Label.TUMOUR).any(axis=(1, 2))).mean())
        for z in sorted({tumour, *(int(share * len(labels)) for share in HEIGHTS)}):
            yield f"phantom-{seed}-{z:03}", (volumes.ct[z], volumes.mr[z], head, z)


def pairs_of(folder: Path) -> Images:
    """The pairs of a folder."""
    pairs = read_image_pairs(folder)
    return {pair.name: (scaled(pair.ct), scaled(pair.mr), None, 0) for pair in pairs}


def scaled(grey: NDArray[np.uint8]) -> Float32Array:
    """Grey levels 0 to 255 scaled to [0, 1]."""
    return (grey / 255).astype(np.float32)


def write_sheets(images: Images, methods: list[str], folder: Path) -> None:
    """Write a sheet per pair."""
    loaded = {name: load_method(name) for name in methods}
    heads: dict[str, tuple[ArrayHead, Float32Array]] = {}
    for name, (ct, mr, head, z) in images.items():
        tiles = {"CT": ct, "MR": mr}
        for label, method in loaded.items():
            if head is not None and isinstance(method, HeadMethod):
                if label not in heads or heads[label][0] is not head:
                    heads[label] = (
                        head,
                        whole(fuse_head(method, head, window_named(DEFAULT_WINDOW))),
                    )
                tiles[label] = heads[label][1][z]
            else:
                tiles[label] = np.asarray(method(ct[None], mr[None])[0], np.float32)
        sheet(tiles).save(folder / f"{name}.webp", quality=QUALITY)
        print(name, flush=True)


def sheet(images: Mapping[str, Float32Array], columns: int = COLUMNS) -> Image.Image:
    """Named images (H, W) in [0, 1] in rows, each fitted into a square."""
    rows = -(-len(images) // columns)
    whole = Image.new("L", (columns * TILE_PX, rows * (TILE_PX + LABEL_PX)))
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(LABEL_PX - 4)
    for number, (name, image) in enumerate(images.items()):
        row, column = divmod(number, columns)
        left, top = column * TILE_PX, row * (TILE_PX + LABEL_PX)
        draw.text((left + 2, top), name, fill=255, font=font)
        grey = Image.fromarray(np.rint(image * 255).astype(np.uint8))
        grey = ImageOps.contain(grey, (TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
        whole.paste(grey, (left + (TILE_PX - grey.width) // 2, top + LABEL_PX))
    return whole


def write_images(document: str, images: Iterable[tuple[str, Image.Image]]) -> None:
    """Write named images as PNG into the folder of the command line, each when it is drawn.

    `document` describes the script, in its first line.
    """
    parser = argparse.ArgumentParser(description=document.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in images:
        image.save(folder / f"{name}.png", optimize=True)
        print(name, flush=True)


def index(names: list[str], methods: list[str], origin: str) -> str:
    """The document with all sheets."""
    lines = ["# Gallery", "", "Written by `python benchmarks/gallery.py FOLDER`.", ""]
    lines += [f"{len(names)} pairs, {origin}, fused by {len(methods)} methods:"]
    lines += [", ".join(f"`{name}`" for name in methods) + ".", "", f"*{NOTICE}*"]
    lines += [f"\n## {name}\n\n![CT, MR and all methods]({name}.webp)" for name in names]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse, fuse, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    images = pairs_of(options.pairs) if options.pairs else dict(phantom_slices())
    installed = [weights.name for weights in weights_in(weights_folder())]
    methods = [*usual_methods(), *installed]
    write_sheets(images, methods, options.folder)
    origin = f"of {options.pairs.name}" if options.pairs else "slices of synthetic phantoms"
    text = index(list(images), methods, origin)
    (options.folder / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
