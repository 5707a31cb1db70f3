"""Whether the pixel data of an object agree with its header, without decoding them."""

from collections.abc import Iterator

from pydicom.dataelem import RawDataElement
from pydicom.encaps import generate_fragments
from pydicom.uid import UID

from radfuse.dicom.iod_tables import modules_of
from radfuse.dicom.validate.problem import Instance, Problem

PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
"""Attributes that hold pixels; an image has one of them."""

HIGH_BIT_READ = "radfuse reads such pixels, other programs may not"
"""Consequence of a HighBit above the lowest possible one, such as left-justified values."""

SUBSAMPLED = "YBR_FULL_422"
"""Photometric interpretation with two samples per pixel where the header has three."""


def check_pixels(instance: Instance) -> Iterator[Problem]:
    """Bits, photometric interpretation, and the length of the pixel data."""
    names = {module.name for module in modules_of(instance.sop_class)}
    present = [keyword for keyword in PIXEL_KEYWORDS if keyword in instance.dataset]
    if "image-pixel" in names and not present and "PixelDataProviderURL" not in instance.dataset:
        yield instance.error("PixelData", "missing")
    if present and all(keyword in instance.dataset for keyword in ("Rows", "Columns")):
        yield from _bits(instance)
        yield from _length(instance, present[0])


def _bits(instance: Instance) -> Iterator[Problem]:
    allocated, stored, high = (
        instance.integer(keyword) for keyword in ("BitsAllocated", "BitsStored", "HighBit")
    )
    if not 0 < stored <= allocated:
        yield instance.error("BitsStored", f"{stored} of {allocated} bits allocated")
    elif high != stored - 1:
        is_read = stored <= high + 1 <= allocated
        yield instance.error(
            "HighBit",
            f"{high}, but BitsStored is {stored}: only {stored - 1} is permitted, other values are "
            f"retired (PS3.5 8.1.1); {HIGH_BIT_READ if is_read else 'the pixels are not readable'}",
        )
    if instance.integer("PixelRepresentation") not in (0, 1):
        yield instance.error(
            "PixelRepresentation", f"{instance.integer('PixelRepresentation')}, neither 0 nor 1"
        )
    grey = instance.text("PhotometricInterpretation").startswith(("MONOCHROME", "PALETTE"))
    samples = instance.integer("SamplesPerPixel", 1)
    if grey != (samples == 1):
        yield instance.error(
            "SamplesPerPixel", f"{samples} with {instance.text('PhotometricInterpretation')}"
        )


def _length(instance: Instance, keyword: str) -> Iterator[Problem]:
    element = instance.dataset.get_item(keyword, keep_deferred=True)
    if element is None:
        return
    syntax = UID(str(instance.dataset.file_meta.get("TransferSyntaxUID", "")))
    if syntax.is_private or not syntax.is_transfer_syntax:
        return
    if syntax.is_encapsulated:
        yield from _fragments(instance, keyword)
        return
    stored = _stored_bytes(element)
    required = _required_bytes(instance)
    if isinstance(element, RawDataElement) and element.value_tell + stored > instance.bytes_in_file:
        stored = max(0, instance.bytes_in_file - element.value_tell)
    if stored < required or stored > required + required % 2:
        yield instance.error(keyword, f"{stored} bytes, but the header requires {required}")


def _stored_bytes(element: object) -> int:
    """Bytes of a native value, which may not have been read from the file."""
    if isinstance(element, RawDataElement):
        return int(element.length)
    return len(getattr(element, "value", None) or b"")


def _required_bytes(instance: Instance) -> int:
    samples = 2 if instance.text("PhotometricInterpretation") == SUBSAMPLED else (
        instance.integer("SamplesPerPixel", 1)
    )  # fmt: skip
    values = instance.integer("Rows") * instance.integer("Columns") * samples * _frames(instance)
    return (values * instance.integer("BitsAllocated") + 7) // 8


def _frames(instance: Instance) -> int:
    return max(1, instance.integer("NumberOfFrames", 1))


def _fragments(instance: Instance, keyword: str) -> Iterator[Problem]:
    """Fewer compressed fragments than frames, or truncated fragments."""
    try:
        value = instance.dataset[keyword].value or b""
        fragments = [len(part) for part in generate_fragments(value)][
            1:
        ]  # the first is the offset table
    except Exception as error:  # pydicom raises any type for damaged items
        yield instance.error(keyword, f"compressed frames cannot be separated: {error}")
        return
    if len(fragments) < _frames(instance) or not all(fragments):
        yield instance.error(
            keyword, f"{len(fragments)} compressed fragments for {_frames(instance)} frames"
        )
