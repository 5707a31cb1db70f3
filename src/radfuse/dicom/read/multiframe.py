"""Multi-frame images: a header for each frame, as a file of its own would have.

Enhanced CT and MR (PS3.3 A.36, A.38) and legacy-converted objects keep what a scanner once wrote
into every file in two sequences of functional groups: shared by all frames, and of each frame. Of
Nuclear Medicine images only volumes have frames here, see `nuclear.spect`.
"""

from collections.abc import Iterator

from pydicom import DataElement, Dataset
from pydicom.tag import Tag

from radfuse.dicom.read.nuclear.spect import is_nuclear, volume_frames, volume_problem

SEQUENCES = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
"""Of all frames, and of each."""

REFERENCES = {"ReferencedImageSequence", "ConversionSourceAttributesSequence"}
"""Functional groups about other images, whose attributes are not the frame's."""

KEPT_SEQUENCES = {"RadiopharmaceuticalInformationSequence"}
"""Sequences in functional groups that a file of one image has: of legacy-converted PET."""

RENAMED = {"FrameType": "ImageType", "EffectiveEchoTime": "EchoTime"}
"""Attributes of a frame that have another name in a file of one image."""


def frame_headers(header: Dataset) -> list[Dataset]:
    """A header for each frame; of a single image its own, and of NM images that are no volume.

    Raises `ValueError` where the number of frames is not that of the functional groups or of the
    SliceVector.
    """
    if volume_problem(header):
        return [header]
    count = int(header.get("NumberOfFrames") or 1)
    if is_nuclear(header):
        return volume_frames(header, [_one_of_many(header, index) for index in range(count)])
    groups = [header.get(keyword) or () for keyword in SEQUENCES]
    if count == 1 and not any(groups):
        return [header]
    if not any(groups):
        return [_one_of_many(header, index) for index in range(count)]
    shared, per_frame = groups
    if len(per_frame) != count:
        raise ValueError(f"{count} frames, {len(per_frame)} functional groups")
    common = [element for item in shared for element in _elements(item)]
    return [
        _with(_one_of_many(header, index), [*common, *_elements(item)], index)
        for index, item in enumerate(per_frame)
    ]


def _one_of_many(header: Dataset, index: int) -> Dataset:
    one = Dataset()
    for tag in header.keys():  # noqa: SIM118  # iteration would convert every raw element
        one[tag] = header.get_item(tag)
    for keyword in SEQUENCES:
        if keyword in one:
            del one[keyword]
    one.file_meta = header.file_meta
    one.ReferencedFrameNumber = index + 1
    return one


def _elements(group: Dataset) -> Iterator[DataElement]:
    """All plain attributes in the items of a functional group's sequences, and kept sequences.

    Not of private ones: Philips keeps a header of its own there, half a pixel away.
    """
    for sequence in group:
        private = sequence.tag.is_private
        if sequence.VR == "SQ" and not private and sequence.keyword not in REFERENCES:
            for item in sequence.value or ():
                yield from (part for part in item if _is_kept(part))


def _is_kept(part: DataElement) -> bool:
    return not part.tag.is_private and (part.VR != "SQ" or part.keyword in KEPT_SEQUENCES)


def _with(header: Dataset, elements: list[DataElement], index: int) -> Dataset:
    for element in elements:
        tag = Tag(RENAMED.get(element.keyword, element.tag))
        header[tag] = DataElement(tag, element.VR, element.value)
    header.ReferencedFrameNumber = index + 1
    return header
