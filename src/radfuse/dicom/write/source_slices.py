"""Which slices of a series another slice lies between."""

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from radfuse.arrays import Float64Array
from radfuse.dicom.write.derived_headers import has_name, source_item
from radfuse.series import Series

HEIGHT_DECIMALS = 3
"""Heights closer than a micrometre are one: headers round, and a slice that lies on another one
does not also come from that one's neighbours."""


@dataclass(frozen=True)
class SourceSlices:
    """The slices of a series along their common normal, lowest first."""

    items: tuple[Dataset, ...]
    """References to them, made once for all the slices that they go into."""

    normal: Float64Array
    heights_mm: Float64Array

    def cut_by(self, points_mm: Float64Array) -> list[Dataset]:
        """References to the slices from which values between some points are interpolated.

        `points_mm` is (n, 3), LPS in the frame of these slices. Beyond the last slice by its
        thickness there are none.
        """
        between = np.round(points_mm @ self.normal, HEIGHT_DECIMALS)
        steps = np.diff(self.heights_mm)
        below = np.r_[self.heights_mm[0] - steps[0], self.heights_mm[:-1]]
        above = np.r_[self.heights_mm[1:], self.heights_mm[-1] + steps[-1]]
        (cut,) = np.nonzero((below < between.max()) & (above > between.min()))
        return [self.items[index] for index in cut]


def source_slices(series: Series) -> SourceSlices | None:
    """The slices of a series by the geometry of its headers; None where they have no name."""
    if not series.headers or not all(map(has_name, series.headers)):
        return None
    along = np.array(series.headers[0].ImageOrientationPatient, np.float64)
    normal = np.cross(along[:3], along[3:])
    places = np.array([header.ImagePositionPatient for header in series.headers], np.float64)
    heights = np.round(places @ normal, HEIGHT_DECIMALS)
    order = np.argsort(heights, kind="stable")
    items = tuple(source_item(series.headers[index], preserved=False) for index in order)
    return SourceSlices(items, normal, heights[order])
