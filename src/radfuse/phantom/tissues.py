"""Tissues of the phantom: labels, CT numbers and MR signals."""

from dataclasses import dataclass
from enum import IntEnum


class Label(IntEnum):
    """Values of the phantom's label maps."""

    AIR = 0
    """Around the head."""
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    """And all other soft tissue outside the skull."""
    SKULL = 4
    """All bone of the head: both tables and the diploe between, base, face; not the spine."""
    SPINE = 5
    CAVITY = 6
    """Air inside the head: sinuses, nose, throat, ear, mastoid."""
    CSF = 7
    GREY = 8
    WHITE = 9
    VENTRICLE = 10
    DURA = 11
    BLOOD = 12
    """The large venous sinuses."""
    EYE = 13
    TUMOUR = 14
    NECROSIS = 15
    """The tumour's core."""
    OEDEMA = 16
    CALCIFICATION = 17
    """In the tumour, the pineal gland and the choroid plexus."""
    HOLDER = 18
    """The head holder; on the CT's grid only."""


LABELS = {label.name.lower(): int(label) for label in Label}
"""Names of the labels and their values."""


@dataclass(frozen=True)
class Tissue:
    """A tissue: its label, CT number and MR signal."""

    label: Label
    hu: float
    """CT number at 120 kV."""
    t1: float
    """Signal of a T1-weighted gradient echo after contrast agent, 0 to 1000, arbitrary units."""


# CT numbers: middle of the ranges in radiology textbooks (Hofer, CT Teaching Manual; Bushberg et
# al., The Essential Physics of Medical Imaging). T1: order and rough ratio of tissues in clinical
# MPRAGE and spoiled gradient-echo images at 1.5 T; fat brightest, then white, grey, fluid, bone.
AIR = Tissue(Label.AIR, -1000, 0)
HOLDER = Tissue(Label.HOLDER, -180, 0)
SKIN = Tissue(Label.SKIN, 45, 430)
FAT = Tissue(Label.FAT, -95, 950)
MUSCLE = Tissue(Label.MUSCLE, 55, 390)
COMPACT_BONE = Tissue(Label.SKULL, 1450, 45)
SPONGY_BONE = Tissue(Label.SKULL, 520, 420)
FATTY_MARROW = Tissue(Label.SKULL, 330, 640)
PETROUS_BONE = Tissue(Label.SKULL, 1950, 35)
SUTURE = Tissue(Label.SKULL, 260, 260)
SPINE_COMPACT = Tissue(Label.SPINE, 950, 70)
SPINE_SPONGY = Tissue(Label.SPINE, 300, 520)
CAVITY = Tissue(Label.CAVITY, -1000, 5)
MUCOSA = Tissue(Label.MUSCLE, 45, 700)
CSF = Tissue(Label.CSF, 6, 140)
VENTRICLE = Tissue(Label.VENTRICLE, 5, 130)
GREY = Tissue(Label.GREY, 39, 470)
DEEP_GREY = Tissue(Label.GREY, 38, 535)
WHITE = Tissue(Label.WHITE, 30, 640)
DURA = Tissue(Label.DURA, 62, 420)
BLOOD = Tissue(Label.BLOOD, 56, 820)
ORBITAL_FAT = Tissue(Label.FAT, -90, 930)
EYE_MUSCLE = Tissue(Label.MUSCLE, 45, 520)
SCLERA = Tissue(Label.EYE, 55, 330)
VITREOUS = Tissue(Label.EYE, 8, 120)
LENS = Tissue(Label.EYE, 85, 260)
OEDEMA = Tissue(Label.OEDEMA, 20, 470)
TUMOUR = Tissue(Label.TUMOUR, 46, 830)
NECROSIS = Tissue(Label.NECROSIS, 17, 260)
CALCIFICATION = Tissue(Label.CALCIFICATION, 420, 60)
