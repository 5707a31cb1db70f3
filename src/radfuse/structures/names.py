"""Names of structures in a head that are offered for a new structure.

By AAPM TG-263 (Mayo et al. 2018, doi:10.1016/j.ijrobp.2017.12.013). Targets are a kind (GTV, CTV,
PTV) with a classifier (p primary, n nodal) or a relative dose level; paired organs end in their
side.
"""

TARGETS = (
    "GTV", "GTVp", "GTVn", "CTV", "CTVp", "CTVn", "CTV_High", "CTV_Mid", "CTV_Low",
    "PTV", "PTVp", "PTVn", "PTV_High", "PTV_Mid", "PTV_Low",
)  # fmt: skip
"""Target volumes."""

PAIRED_ORGANS = (
    "Cochlea", "Cornea", "Eye", "Glnd_Lacrimal", "Glnd_Submand", "Hippocampus", "Lens",
    "Lobe_Temporal", "OpticNrv", "Parotid", "Retina",
)  # fmt: skip
"""Organs at risk that occur left and right."""

SINGLE_ORGANS = (
    "Bone_Mandible", "Brain", "Brainstem", "Cavity_Oral", "Cerebellum", "External",
    "Hypothalamus", "OpticChiasm", "Pituitary", "Skin", "SpinalCord",
)  # fmt: skip
"""Organs at risk that occur once."""

SIDES = ("L", "R")
"""Left and right."""

ORGANS = tuple(
    sorted([*SINGLE_ORGANS, *(f"{organ}_{side}" for organ in PAIRED_ORGANS for side in SIDES)])
)
"""Organs at risk."""

STRUCTURE_NAMES = (*TARGETS, *ORGANS)
"""All offered names, targets first."""
