"""The source slices that a derived slice is interpolated from."""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.dicom.write.derived_headers import has_reference_uids, source_item
from radfuse.dicom.write.encoding import encoded_item
from radfuse.series import Series

POSITION_DECIMALS = 3
"""Positions are rounded to a micrometre, since headers round: a slice that coincides with a source
slice is then not attributed to that slice's neighbours as well."""


@dataclass(frozen=True)
class SourceSlices:
    """The slices of a series along their common normal, in increasing order."""

    items: tuple[bytes, ...]
    """References to the slices, encoded once for all derived slices."""

    normal: Float64Array
    positions_mm: Float64Array
    """Of each slice along the normal."""

    def spanning(self, points_mm: Float64Array) -> list[bytes]:
        """References to the slices from which values between some points are interpolated.

        `points_mm` is (n, 3), LPS in the frame of reference of these slices. The list is empty
        for points more than one slice step outside the first or last slice.
        """
        along = np.round(points_mm @ self.normal, POSITION_DECIMALS)
        steps = np.diff(self.positions_mm)
        previous = np.r_[self.positions_mm[0] - steps[0], self.positions_mm[:-1]]
        following = np.r_[self.positions_mm[1:], self.positions_mm[-1] + steps[-1]]
        (indices,) = np.nonzero((previous < along.max()) & (following > along.min()))
        return [self.items[index] for index in indices]


def source_slices(series: Series) -> SourceSlices | None:
    """The slices of a series by the geometry of its headers; None if they cannot be referenced."""
    if not series.headers or not all(map(has_reference_uids, series.headers)):
        return None
    cosines = np.array(series.headers[0].ImageOrientationPatient, np.float64)
    normal = np.cross(cosines[:3], cosines[3:])
    origins = np.array([header.ImagePositionPatient for header in series.headers], np.float64)
    positions = np.round(origins @ normal, POSITION_DECIMALS)
    order = np.argsort(positions, kind="stable")
    items = tuple(
        encoded_item(source_item(series.headers[index], preserved=False)) for index in order
    )
    return SourceSlices(items, normal, positions[order])
