"""BibTeX of what a result was made with: radfuse, the papers of methods and metrics, registration.

The entries are in `references.bib`. It has no DOI that the rest of radfuse does not have,
and no title that was not found in a second source: a note says where one is missing.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from radfuse.methods.catalogue import METHODS, PUBLISHED
from radfuse.methods.loading import method_info
from radfuse.metrics.catalogue import METRICS, metric_info
from radfuse.metrics.profiles import PROFILES

REFERENCES = Path(__file__).parent / "references.bib"

ENTRY = re.compile(r"@\w+\{([\w-]+),\n(?:  .*\n)+\}\n")
"""An entry of `references.bib` and its key."""

DOI = re.compile(r"10\.\d{4,5}/[^\s,;}]+")

MST_SR = "liu2015"
"""The framework whose rules and borders several methods follow."""

PAPERS: dict[str, tuple[str, ...]] = {
    "laplacian": ("burt1983", "burt1984"),
    "dwt": ("li1995",),
    "lp": ("burt1983", MST_SR),
    "rp": ("toet1989", MST_SR),
    "dwt_vote": ("li1995", MST_SR),
    "dtcwt": ("lewis2007", MST_SR),
    "curvelet": ("nencini2007", MST_SR),
    "nsct": ("dacunha2006", MST_SR),
    "nsct_pc_lle": ("zhu2019",),
    "nsst_papcnn": ("yin2019",),
    "directive_contrast": ("bhatnagar2013",),
    "nsst_frei_chen": ("ganasala2018",),
    "daubechies_complex": ("singh2014",),
    "curvelet_ct_mr": ("ali2010",),
    "union_laplacian": ("du2016",),
    "guided_filter": ("li2013",),
    "zero_learning": ("lahoud2019",),
    "adaptive_zero_learning": ("yang2023",),
    "sparse": ("yang2010", MST_SR),
    "lp_sparse": ("burt1983", MST_SR),
    "dwt_sparse": ("li1995", MST_SR),
    "dtcwt_sparse": ("lewis2007", MST_SR),
    "curvelet_sparse": ("nencini2007", MST_SR),
    "nsct_sparse": ("dacunha2006", MST_SR),
    "two_scale_sparse": ("maqsood2020",),
    "sparse_neighbour_energy": ("li2023",),
    "asr": ("liuwang2015",),
    "csr": ("liu2016",),
    "csmca": ("liu2019",),
    "mfinet": ("mfinet2024",),
    "res2fusion": ("res2fusion2024",),
    "res2fusion-l1": ("res2fusion2024", "densefuse"),
}
"""Keys of the papers of a method; an entry has the name of its network otherwise. Methods without
any are rules of this project."""

REGISTRATION = ("mattes2003",)
"""The similarity that the registration maximizes."""

OWN = """@misc{{radfuse,
  author = {{{{The radfuse developers}}}},
  title = {{radfuse: fusion of CT and MR images of the head}},
  howpublished = {{Computer program, version {version}}},
  note = {{Research use only. Not a medical device.}},
}}
"""


@cache
def references() -> dict[str, str]:
    """The entries of `references.bib` by their keys."""
    return {found[1]: found[0] for found in ENTRY.finditer(REFERENCES.read_text("utf-8"))}


def papers_of(method: str) -> tuple[str, ...]:
    """Keys of the papers of a method; () for a rule of this project and for a graph in a file.

    Raises `InputError` for an unknown name.
    """
    name = method.partition("@")[0]  # of weights that the user installed
    network = name.partition("-")[0]
    if name not in METHODS and name not in PUBLISHED and not name.endswith(".onnx"):
        method_info(method)
    known = {one: (one,) for one in references()} | PAPERS
    return known.get(name) or known.get(network) or ()


def metrics_named(names: Iterable[str]) -> tuple[str, ...]:
    """Metrics by their names and by those of profiles, each once; `InputError` for another name."""
    metrics: list[str] = []
    for name in names:
        columns = PROFILES[name].columns.values() if name in PROFILES else ()
        metrics += [column.metric for column in columns] or [name]
    for metric in metrics:
        metric_info(metric)
    return tuple(dict.fromkeys(metrics))


def papers_of_metric(metric: str) -> tuple[str, ...]:
    """Keys of the papers of a metric, by the DOIs of the catalogue; () where it names none."""
    dois = set(DOI.findall(METRICS[metric].source))
    return tuple(key for key, entry in references().items() if dois & set(DOI.findall(entry)))


def source_of(method: str) -> str:
    """What the catalogue says of the source of a method."""
    return METHODS[method].source if method in METHODS else "weights or a graph of your own"


def cite(methods: Sequence[str], metrics: Sequence[str] = (), *, registered: bool = False) -> str:
    """BibTeX of radfuse, methods, metrics or profiles, and the registration, each paper once.

    A comment says for each method and metric which entries are its own, and what the catalogue
    says of its source. Raises `InputError` for an unknown name.
    """
    used = [(name, source_of(name), papers_of(name)) for name in dict.fromkeys(methods)]
    used += [
        (name, METRICS[name].source, papers_of_metric(name)) for name in metrics_named(metrics)
    ]
    if registered:
        used.append(("registration", "rigid, by Mattes mutual information", REGISTRATION))
    comments = [f"% radfuse {version('radfuse')}: radfuse"]
    comments += [f"% {name} ({text}): {', '.join(keys) or 'radfuse'}" for name, text, keys in used]
    entries = references()
    keys = dict.fromkeys(key for _, _, own in used for key in own)
    parts = [OWN.format(version=version("radfuse")), *(entries[key] for key in keys)]
    return "\n".join(("\n".join(comments) + "\n", *parts))
