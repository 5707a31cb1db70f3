"""Recognise transforms of other programs, which are not in patient coordinates, by content."""

import re
from pathlib import Path

from radfuse.errors import InputError
from radfuse.io.volumes import volume_suffix

START_BYTES = 4096
"""Bytes of a file by which its format is recognised."""

FLIRT = (
    "a matrix of FSL flirt, in scaled voxels; if it is of flirt -in MR -ref CT, convert it with "
    "c3d_affine_tool -ref CT -src MR FILE -fsl2ras -oitk OUT.txt"
)
"""A matrix of four rows as ours; flirt writes two spaces after each number."""

NUMBER = rb"[ \t]*[-+.\deE]+[ \t]*"
"""With the spaces around it."""

FORMATS = {
    rb"(\s*(//[^\n]*)?\n)*\(\w+ ": "a parameter file of elastix; run elastix 5.1 "
    'or newer with -f CT -m MR and (ITKTransformOutputFileNameExtension "tfm") in its parameters',
    rb"(#[^\n]*\n|\s*\n)*type\s*=\s*\d+": "a FreeSurfer LTA; if it is of the MR to the CT, "
    "convert it with lta_convert --inlta FILE --outitk OUT.txt, else add --invert",
    rb"[^\n]*\n(%s\n){3}(([-+.\deE]+ *){4}\n){4}" % NUMBER: "a FreeSurfer register.dat; if the "
    "MR is its movable volume, convert it with lta_convert --inreg FILE --src MR --trg CT --outitk "
    "OUT.txt",
    rb"((-?[\d.e+-]+  ){4}\r?\n){4}\s*$": FLIRT,
    rb"MNI Transform File": "a MINC transform; if it is of the MR to the CT, convert it with "
    "lta_convert --inmni FILE --src MR --trg CT --outitk OUT.txt",
}
"""Formats by the start of their files: what they are and how to convert them."""


def refuse_foreign(path: Path) -> None:
    """Raise `InputError` for an image, a displacement field, or a transform of another program.

    A matrix of FSL flirt is recognised by its two spaces, and as text in a file named .mat.
    """
    with path.open("rb") as stream:
        start = stream.read(START_BYTES)
    known = [text for form, text in FORMATS.items() if re.match(form, start)]
    if path.suffix.lower() == ".mat" and b"\0" not in start:  # else ANTs, which ITK reads
        known.append(FLIRT)
    if volume_suffix(path) is not None:
        known.append("an image or a displacement field; give the rigid transform alone")
    if known:
        raise InputError(f"{path} is {known[0]}; it must map CT points to MR points (LPS, mm)")
