"""The form of the QA sheet after AAPM TG-132: checks, grade, region, comment and signatures.

Brock et al. 2017, 10.1002/mp.12256: the qualitative checks for a rigid registration of the head,
and the levels of its use, from 0.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape, unescape

from radfuse.errors import InputError
from radfuse.record import Signature, Signoff

CHECKS: Mapping[str, str] = {
    "Datasets": "correct patient, studies, series and dates; the whole head without gaps",
    "Orientation": "left and right, front and back, head and feet agree in CT and MR",
    "Scale": "the head has the same size in both; no stretch along an axis",
    "Skull": "inner and outer table are continuous across the checkerboard, on all sides",
    "Skull base": "petrous bones, clivus and sella; MR distortion is largest near air",
    "Brain surface": "no fringe of one colour at the cortex, in all three planes",
    "Ventricles": "lateral horns and fourth ventricle coincide",
    "Midline": "falx and septum coincide in axial and coronal planes",
    "Brainstem": "brainstem and cerebellum, and the foramen magnum around them",
    "Eyes": "globes and optic nerves, unless they moved between the scans",
    "Target": "the region of interest, slice by slice",
}
"""Checks of a CT with an MR: name, and what is to be checked."""

FUNCTIONAL_CHECKS: Mapping[str, str] = {
    "Datasets": "correct patient, studies, series and dates; the whole brain without gaps",
    "Orientation": "left and right, front and back, head and feet agree in both",
    "Brain surface": (
        "the outline of the uptake follows the cortex on all sides, in all three planes"
    ),
    "Ventricles": "the lateral ventricles are cold where the other image shows them",
    "Deep nuclei": "basal ganglia and thalamus coincide, unless disease changes their uptake",
    "Cerebellum": "its surface and the tentorium coincide",
    "Midline": "the falx is between the two sides in axial and coronal planes",
    "Artefacts": (
        "no rim of uptake on one side only: the patient moved between PET or SPECT and its CT"
    ),
    "Target": "the region of interest, slice by slice",
}
"""Checks of a PET or SPECT with an anatomical image."""

ANSWERS = ("yes", "no", "not checked")
"""Answers to a check, in the order of their columns."""

GRADES: Sequence[tuple[str, str]] = (
    ("whole scan aligned", "within 1 mm everywhere; for structures and localization"),
    ("locally aligned", "within 1 mm around the target; for structures there"),
    ("usable with risk of deformation", "aligned locally, mild change of anatomy around it"),
    ("for diagnosis only", "not accurate enough for geometry"),
    ("not acceptable", "the anatomy cannot be aligned"),
)
"""Grades from 0: name, and what it means."""

MAX_ACCEPTED_GRADE = 3
"""A registration of a higher grade cannot be accepted."""

EMPTY, CROSSED = "&#9744;", "&#9746;"
"""Boxes to tick."""

SIGNOFF_LINES = re.compile('<p class="sign" id="verdict">.*?</p>', re.DOTALL)
"""The sign-off in the document."""

CHECK_ROW = re.compile(r"(<tr><th>([^<]+)</th><td>[^<]*</td>)(<td>&#974[46];</td>){3}</tr>")
GRADE_ROW = re.compile(r"<tr><td>&#974[46];</td><th>(\d) ")
REGION_LINE = re.compile("(Intended use and region <span>)[^<]*")
COMMENT_LINE = re.compile("(Comment <span>)[^<]*")
"""Parts of the form in the document, filled in or not; sheets of earlier versions have no line for
a comment."""


def form_html(checks: Mapping[str, str]) -> str:
    """The empty form of some checks, without the signatures."""
    answers = "".join(f"<th>{answer}</th>" for answer in ANSWERS)
    rows = "\n".join(
        f"<tr><th>{escape(name)}</th><td>{escape(text)}</td>{_boxes('')}</tr>"
        for name, text in checks.items()
    )
    grades = "\n".join(
        f"<tr><td>{EMPTY}</td><th>{level} {escape(name)}</th><td>{escape(text)}</td></tr>"
        for level, (name, text) in enumerate(GRADES)
    )
    return (
        f"<section><h2>Checks</h2>\n<table class='checks'><tr><th></th><th></th>{answers}</tr>\n"
        f"{rows}\n</table></section>\n"
        f"<section><h2>Grade (AAPM TG-132)</h2>\n<table class='grades'>\n{grades}\n</table>\n"
        "<p class='line'>Intended use and region <span>&nbsp;</span></p>\n"
        "<p class='line'>Comment <span>&nbsp;</span></p></section>"
    )


def sign_sheet(document: str, signoff: Signoff) -> str:
    """The document with a sign-off, instead of the empty form or of an earlier sign-off.

    Raises `InputError` for a document without the lines of a sign-off.
    """
    signed, count = SIGNOFF_LINES.subn(lambda _: signoff_html(signoff), document)
    if count != 1:
        raise InputError("the QA sheet has no sign-off lines; run the fusion again")
    signed = CHECK_ROW.sub(
        lambda row: f"{row[1]}{_boxes(signoff.checks.get(unescape(row[2]), ''))}</tr>", signed
    )
    signed = GRADE_ROW.sub(
        lambda row: f"<tr><td>{_box(row[1] == str(signoff.grade))}</td><th>{row[1]} ", signed
    )
    signed = REGION_LINE.sub(lambda line: f"{line[1]}{_text(signoff.region)}", signed)
    return COMMENT_LINE.sub(lambda line: f"{line[1]}{_text(signoff.comment)}", signed)


def signoff_html(signoff: Signoff | None) -> str:
    """The lines of the sign-off, empty without one."""
    state = signoff.state if signoff else ""
    boxes = " ".join(f"{_box(word == state)} {word}" for word in ("accepted", "rejected"))
    return (
        f'<p class="sign" id="verdict"><strong>Registration: {boxes}</strong>\n'
        f"{_signature_html('Name', signoff.first if signoff else None)}\n"
        f"{_signature_html('Second name', signoff.second if signoff else None)}</p>"
    )


def _signature_html(label: str, signature: Signature | None) -> str:
    name = escape(signature.label) if signature else ""
    date = f"{signature.time:%Y-%m-%d %H:%M} UTC" if signature else ""
    lines = ((label, name), ("Date", date), ("Signature", ""))
    return " ".join(f"<label>{one} <span>{text or '&nbsp;'}</span></label>" for one, text in lines)


def _boxes(answer: str) -> str:
    return "".join(f"<td>{_box(one == answer)}</td>" for one in ANSWERS)


def _box(is_crossed: bool) -> str:
    return CROSSED if is_crossed else EMPTY


def _text(text: str) -> str:
    return escape(text) or "&nbsp;"
