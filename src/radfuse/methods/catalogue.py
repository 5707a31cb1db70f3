"""The fusion methods by name."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

WEIGHTS = Path(__file__).parent.parent / "weights"
"""Folder of the ONNX graphs of radfuse itself, with a sub-folder per network."""

MORE_WEIGHTS = "radfuse_weights"
"""Package of the distribution radfuse-weights, with those of the other networks."""

HARVARD_PATIENTS = tuple(
    f"harvard:{patient}" for patient in (2, 16, 20, 21, 28, 32, 33, 34, 37, 41)
)
"""Patients of the Harvard training pairs, and of the test pairs too."""

PET_SPECT_PATIENTS = (
    "harvard-pet:head",
    *(f"harvard-spect:{patient}" for patient in (3, 4, 9, 10, 11, 15, 18, 22, 25, 29, 35, 36, 40)),
    "harvard:21",
    "harvard:28",
)
"""Patients of the Harvard training pairs of PET and SPECT, and of the test pairs too: all PET is of
one head, and two patients of SPECT are of the CT-MR pairs."""

INPUTS = "CT in its window and MR, each scaled to [0, 1], slice by slice"
"""What all methods of the catalogue take."""


FAMILIES = {
    "baseline": "Baselines",
    "bone and detail": "Bone and signed detail, rules of this project",
    "functional": "PET or SPECT with MR",
    "multiscale": "Pyramids, wavelets, curvelets, contourlets and shearlets",
    "filter": "Edge-preserving filters",
    "sparse": "Sparse representation",
    "network": "Networks",
}
"""Headings of the groups of methods, in the order of the documents."""

AUTHORS = "the authors' images of 24 pairs"
"""Proof of a method that equals its authors' program within a grey level, but for ties."""

MST_SR = "the images of MST-SR (Liu et al. 2015) of 24 pairs"
"""The same for a method that equals that toolbox, by other authors than those of the method."""

TITLE_ONLY = "rule of this project after the title only"
"""Proof of a method of whose paper neither text nor code could be had."""

ABSTRACT_ONLY = "rule of this project after the abstract only"
"""The same where the abstract could; the docstring says what was decided beside it."""

OWN_FEATURES = "none can be had; features in its docstring"
"""Proof of a method whose features replace those of a network that cannot be shipped."""


@dataclass(frozen=True)
class MethodInfo:
    """A row of the catalogue."""

    summary: str
    source: str
    """Paper or origin."""

    family: str
    """A key of `FAMILIES`."""

    path: str = ""
    """`module:class` of a rule."""

    weights: Path | None = None
    """The graph of a learned method."""

    development_patients: tuple[str, ...] = ()
    """Patients, with their data set, whose images its constants were chosen on; of a learned
    method, the model card lists them."""

    note: str = ""
    """Which constants were tuned on which data."""

    proof: str = ""
    """With what its images were compared."""

    is_slow: bool = False
    """Whether it needs half a minute and more for a slice; then it runs only where it is named."""


def packaged_folders() -> list[Path]:
    """Folders of packaged weights: of radfuse and, if it is installed, of radfuse-weights."""
    more = importlib.util.find_spec(MORE_WEIGHTS)
    return [WEIGHTS, *map(Path, (more and more.submodule_search_locations) or ())]


def shipped_graph(name: str) -> Path:
    """Path of a packaged graph: that of `mfinet-patients` is in the folder `mfinet`."""
    graph = Path(name.partition("-")[0], f"{name}.onnx")
    found = (folder / graph for folder in packaged_folders() if (folder / graph).is_file())
    return next(found, WEIGHTS / graph)


FAST = "-fast"
"""End of the name of a graph with narrower layers, beside that of a network."""


def fast_graph(weights: Path) -> Path:
    """Path of the fast graph of a network, which few have."""
    return weights.with_name(f"{weights.stem}{FAST}{weights.suffix}")


def has_fast_graph(info: MethodInfo) -> bool:
    """Whether a method has a fast graph."""
    return info.weights is not None and fast_graph(info.weights).is_file()


def _baseline(name: str, kind: str, summary: str) -> MethodInfo:
    return MethodInfo(summary, "trivial baseline", "baseline", f"radfuse.methods.{name}:{kind}")


def _detail(name: str, kind: str, summary: str, note: str) -> MethodInfo:
    return MethodInfo(
        summary, "rule of this project", "bone and detail", f"radfuse.methods.{name}:{kind}",
        development_patients=HARVARD_PATIENTS, note=note,
    )  # fmt: skip


def _classical(
    path: str,
    summary: str,
    paper: str,
    family: str = "multiscale",
    proof: str = AUTHORS,
    *,
    is_slow: bool = False,
) -> MethodInfo:
    patients = HARVARD_PATIENTS if family == "sparse" else ()  # their dictionaries were learned
    return MethodInfo(
        summary, paper, family, f"radfuse.methods.{path}", development_patients=patients,
        note="its dictionary was learned on the Harvard training pairs" if patients else "",
        proof=proof, is_slow=is_slow,
    )  # fmt: skip


def _with_authors(learned: str, pairs: int) -> str:
    """Proof of a method that ships a dictionary, or filters, of its own."""
    return f"the authors' images of {pairs} pairs, with the authors' {learned}"


def _shipped(name: str, summary: str, paper: str, proof: str = "docs/compared.md") -> MethodInfo:
    source = f"{paper}, own weights"
    return MethodInfo(summary, source, "network", weights=shipped_graph(name), proof=proof)


def _mfinet(suffix: str, summary: str) -> MethodInfo:
    return _shipped(f"mfinet{suffix}", summary, "Song et al. 2024")


def _res2fusion(suffix: str, summary: str) -> MethodInfo:
    return _shipped(f"res2fusion{suffix}", summary, "Chen et al. 2024")


METHODS: dict[str, MethodInfo] = {
    "average": _baseline("average", "Average", "mean of CT and MR"),
    "maximum": _baseline("maximum", "Maximum", "larger of CT and MR"),
    "copy_ct": _baseline("copy_ct", "CopyCT", "CT only"),
    "copy_mr": _baseline("copy_mr", "CopyMR", "MR only"),
    "bone_over_mr": _baseline("bone_over_mr", "BoneOverMR", "CT in bone, MR elsewhere"),
    "bone_blend": _detail(
        "bone_blend", "BoneBlend", "maximum in and around bone, MR + 0.05 CT elsewhere",
        "its two constants were chosen on the Harvard test pairs",
    ),
    "signed_detail": _detail(
        "signed_detail", "SignedDetail",
        "bone and MR, and the CT's detail in a brain window where it is missing",
        "its constants were chosen on phantoms 101 to 107, the Visible Human Female and "
        "Harvard training pairs",
    ),
    "learned_detail": _detail(
        "learned_detail", "LearnedDetail",
        "as signed_detail; a network says which detail of the CT is shown",
        "its network was trained on phantoms 1 to 21 and the Visible Human Female; the "
        "constants of signed_detail apply, too",
    ),
    "uptake_over_mr": MethodInfo(
        "PET or SPECT where there is uptake, with the MR's detail; MR elsewhere",
        "rule of this project", "functional", "radfuse.methods.uptake_over_mr:UptakeOverMR",
        development_patients=PET_SPECT_PATIENTS,
        note="its constants were chosen on training pairs of PET and SPECT",
    ),
    "laplacian": _classical(
        "laplacian:Laplacian", "Laplacian pyramid, larger coefficients", "Burt & Adelson 1983",
        proof="own rule; `lp` is that of MST-SR",
    ),
    "dwt": _classical(
        "dwt:DWT", "discrete wavelet transform, larger coefficients", "Li et al. 1995",
        proof="own rule; `dwt_vote` is that of MST-SR",
    ),
    "lp": _classical(
        "classical.lp:LP", "Laplacian pyramid, larger activity by vote",
        "Burt & Adelson 1983, Liu et al. 2015", proof=MST_SR,
    ),
    "rp": _classical(
        "classical.rp:RP", "ratio of low-pass pyramid, larger activity by vote",
        "Toet 1989, Liu et al. 2015", proof="the images of MST-SR (Liu et al. 2015) of 6 pairs",
    ),
    "dwt_vote": _classical(
        "classical.dwt_vote:DWTVote", "Haar wavelets, larger activity by vote",
        "Li et al. 1995, Liu et al. 2015", proof=f"{MST_SR}, by an exact Haar transform",
    ),
    "dtcwt": _classical(
        "classical.dtcwt:DTCWT", "dual-tree complex wavelets, larger activity by vote",
        "Lewis et al. 2007, Liu et al. 2015", proof=MST_SR,
    ),
    "curvelet": _classical(
        "classical.curvelet:Curvelet", "curvelets, larger activity by vote",
        "Nencini et al. 2007, Liu et al. 2015", proof=MST_SR,
    ),
    "nsct": _classical(
        "classical.nsct:NSCT", "nonsubsampled contourlets, larger activity by vote",
        "da Cunha et al. 2006, Liu et al. 2015", proof=MST_SR,
    ),
    "nsct_pc_lle": _classical(
        "classical.nsct_pc_lle:NSCTPCLLE",
        "nonsubsampled contourlets, phase congruency and local energy", "Zhu et al. 2019",
    ),
    "nsst_papcnn": _classical(
        "classical.nsst_papcnn:NSSTPAPCNN", "nonsubsampled shearlets, pulse-coupled network",
        "Yin et al. 2019",
    ),
    "directive_contrast": _classical(
        "classical.directive_contrast:DirectiveContrast",
        "nonsubsampled contourlets, contrast to the base, phase congruency",
        "after the title of Bhatnagar et al. 2013, own rule",
        proof="rule of this project after the title and the abstract of a later paper",
    ),
    "nsst_frei_chen": _classical(
        "classical.nsst_frei_chen:NSSTFreiChen",
        "nonsubsampled shearlets, energy in Frei-Chen masks",
        "after the title of Ganasala & Prasad 2018, own rule", proof=TITLE_ONLY,
    ),
    "daubechies_complex": _classical(
        "classical.daubechies_complex:DaubechiesComplex",
        "Daubechies complex wavelets, larger modulus",
        "after the abstract of a paper related to Singh & Khare 2014, own rule",
        proof=ABSTRACT_ONLY,
    ),
    "curvelet_ct_mr": _classical(
        "classical.curvelet_ct_mr:CurveletCtMr", "complex curvelets, larger modulus",
        "after the title of Ali et al. 2010, own rule", proof=TITLE_ONLY,
    ),
    "union_laplacian": _classical(
        "classical.union_laplacian:UnionLaplacian",
        "Laplacian pyramid, chosen by contrast and outlines",
        "after the title of Du et al. 2016, own rule", proof=TITLE_ONLY,
    ),
    "guided_filter": _classical(
        "classical.guided_filter:GuidedFilter", "two layers, weights by guided filtering",
        "Li et al. 2013", "filter",
    ),
    "zero_learning": _classical(
        "classical.zero_learning:ZeroLearning",
        "base by saliency, details by activity in fixed filters, not VGG-19",
        "Lahoud & Suesstrunk 2019, own features", "filter", OWN_FEATURES,
    ),
    "adaptive_zero_learning": _classical(
        "classical.adaptive_zero_learning:AdaptiveZeroLearning",
        "bases by activity in fixed filters, not Res2Net; sum of the details",
        "after the abstract of Yang et al. 2023, own features", "filter", ABSTRACT_ONLY,
    ),
    "sparse": _classical(
        "classical.sparse:Sparse", "sparse codes of patches, larger activity",
        "Yang and Li 2010, own dictionary", "sparse", _with_authors("dictionary", 6),
    ),
    **{
        f"{one}_sparse": _classical(
            f"classical.multiscale_sparse:{kind}Sparse", f"as {of}, base by sparse codes",
            "Liu et al. 2015, own dictionary", "sparse", _with_authors("dictionary", pairs),
        )
        for one, kind, of, pairs in (
            ("lp", "LP", "lp", 24), ("dwt", "DWT", "dwt_vote", 24),
            ("dtcwt", "DTCWT", "dtcwt", 24), ("curvelet", "Curvelet", "curvelet", 24),
            ("nsct", "NSCT", "nsct", 6),
        )
    },
    "two_scale_sparse": _classical(
        "classical.two_scale_sparse:TwoScaleSparse",
        "mean of the bases, sparse codes of the details",
        "after the title of Maqsood & Javed 2020, own rule and dictionary", "sparse", TITLE_ONLY,
    ),
    "sparse_neighbour_energy": _classical(
        "classical.sparse_neighbour_energy:SparseNeighbourEnergy",
        "sparse codes of the bases, energy of the details",
        "after the abstract of Li et al. 2023, own rule and dictionary", "sparse", ABSTRACT_ONLY,
    ),
    "asr": _classical(
        "classical.asr:ASR", "sparse codes of patches in dictionaries by orientation",
        "Liu & Wang 2015, own dictionaries", "sparse", _with_authors("dictionaries", 4),
        is_slow=True,
    ),
    "csr": _classical(
        "classical.csr:CSR", "convolutional sparse codes of the detail",
        "Liu et al. 2016, own filters", "sparse", _with_authors("filters", 4), is_slow=True,
    ),
    "csmca": _classical(
        "classical.csmca:CSMCA", "convolutional sparse codes of cartoon and texture",
        "Liu et al. 2019, own filters", "sparse",
        "within 0.06 grey levels of the authors' images of 3 pairs in the mean, with their filters",
        is_slow=True,
    ),
    "mfinet": _mfinet("", "two-stream CNN, gated feature interaction, trained on its metrics"),
    "mfinet-patients": _mfinet("-patients", "as mfinet, trained without patients 2, 16, 34, 41"),
    "res2fusion": _res2fusion("", "Res2Net autoencoder, spatial mean attention (Eq. 3)"),
    "res2fusion-addition": _res2fusion("-addition", "Res2Net autoencoder, feature addition"),
    "res2fusion-average": _res2fusion("-average", "Res2Net autoencoder, feature average"),
    "res2fusion-maximum": _res2fusion("-maximum", "Res2Net autoencoder, feature maximum"),
    "res2fusion-l1": _res2fusion("-l1", "Res2Net autoencoder, l1-norm attention of DenseFuse"),
    "res2fusion-spatial-mean-softmax": _res2fusion(
        "-spatial-mean-softmax", "Res2Net autoencoder, softmax of the spatial mean"
    ),
    "densefuse": _shipped("densefuse", "dense autoencoder, feature addition", "Li and Wu 2019"),
    "msdnet": _shipped("msdnet", "three-scale dense autoencoder, l1-norm rule", "Song et al. 2019"),
    "rfnnest": _shipped("rfnnest", "nested autoencoder, residual fusion network", "Li et al. 2021"),
    "csf": _shipped("csf", "autoencoder, classification saliency", "Xu et al. 2021"),
    "fusiongan": _shipped("fusiongan", "generative adversarial network", "Ma et al. 2019"),
    "pmgi": _shipped("pmgi", "CNN, gradient path and intensity path", "Zhang et al. 2020"),
    "sdnet": _shipped("sdnet", "squeeze-and-decomposition CNN", "Zhang and Ma 2021"),
    "stdfusionnet": _shipped("stdfusionnet", "CNN, bone as the salient target", "Ma et al. 2021"),
    "u2fusion": _shipped("u2fusion", "dense CNN, information-weighted sources", "Xu et al. 2022"),
    "umfcmgr": _shipped("umfcmgr", "two-stream CNN, interaction by attention", "Wang et al. 2022"),
    "deepfuse": _shipped("deepfuse", "CNN trained on MEF-SSIM", "Prabhakar et al. 2017"),
    "ifcnn": _shipped("ifcnn", "CNN, larger features, trained on multi-focus", "Zhang et al. 2020"),
    "emfusion": _shipped("emfusion", "dense CNN, entropy-weighted sources", "Xu and Ma 2021"),
    "mufusion": _shipped("mufusion", "encoder-decoder, own memory", "Cheng et al. 2023"),
    "drf": _shipped("drf", "autoencoder, shared and own features", "Wang et al. 2022"),
    "fusiondn": _shipped("fusiondn", "dense CNN, entropy-weighted sources", "Xu et al. 2020"),
    "ddcgan": _shipped("ddcgan", "dense CNN, adversarial, a discriminator each", "Ma et al. 2020"),
    "cnn": _shipped(
        "cnn", "siamese CNN's weight map, fused in Laplacian pyramids", "Liu et al. 2017",
        "the authors' images of 6 pairs, with the authors' parameters",
    ),
    "msenet": _shipped(
        "msenet",
        "three-path dilated autoencoder, larger features; in the abstract's words unique features "
        "are added",
        "after the abstract of Li et al. 2022", ABSTRACT_ONLY,
    ),
}  # fmt: skip
"""Every method; a name is the same word in file, `--method`, docs and tests."""


PUBLISHED = (
    "cnn", "csf", "deepfuse", "densefuse", "drf", "emfusion", "gesenet", "gifnet", "ifcnn", "matr",
    "msdnet", "mufusion", "pmgi", "sdnet", "stdfusionnet", "u2fusion", "umfcmgr",
)  # fmt: skip
"""Networks that run with the parameters of their authors, after `radfuse weights import`."""


MIN_SIDES = {
    "ddcgan": 2, "densefuse": 2, "drf": 2, "emfusion": 2, "fusiondn": 2, "u2fusion": 2, "csf": 3,
    "msdnet": 3, "mufusion": 3, "msenet": 4, "rfnnest": 9,
}  # fmt: skip
"""Rows and columns that packaged graphs need for their mirrored borders, found by trial; the others
fuse single pixels."""


def usual_methods() -> tuple[str, ...]:
    """The methods that fuse CT and MR where none is named, if they are quick and have weights."""
    return tuple(
        name for name, one in METHODS.items()
        if not one.is_slow and one.family != "functional"
        and (one.weights is None or one.weights.is_file())
    )  # fmt: skip
