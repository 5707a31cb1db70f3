"""The order of the documents on the site, as data."""

SECTIONS: dict[str, tuple[str, ...]] = {
    "Tutorials": (
        "install",
        "tutorials/first-fusion",
        "tutorials/compare-your-network",
        "tutorials/train-a-network",
        "tutorials/pacs-to-planning-system",
        "tutorials/many-patients",
        "tutorials/pet-and-mr",
    ),
    "How-to guides": (
        "howto/fuse-a-patient",
        "howto/view",
        "howto/several-images",
        "howto/pet-and-spect",
        "howto/contours",
        "howto/read-dicom",
        "howto/dicom-objects",
        "howto/check-and-deidentify",
        "howto/pacs",
        "howto/batch",
        "howto/node",
        "howto/benchmark",
        "howto/train-your-own",
        "howto/authors-weights",
        "howto/arrays",
        "howto/try-in-browser",
    ),
    "Examples": ("examples/README",),
    "Planning systems and viewers": ("systems/README",),
    "Reference": (
        "commands",
        "api/index",
        "methods",
        "metrics",
        "formulas",
        "modalities",
        "conformance",
        "glossary",
        "faq",
    ),
    "Results": (
        "benchmarks/README",
        "explorer",
        "benchmarks/gallery/README",
        "samples",
        "findings",
        "signed-detail",
        "compared",
        "mfinet",
        "res2fusion",
        "own-metrics",
        "functional",
        "registration",
        "delineation",
        "measured",
        "performance",
        "reproduction",
        "related-work",
        "dicom-cases",
        "altered-inputs",
    ),
    "Engineering": (
        "architecture",
        "deploy",
        "larger-sites",
        "testing",
        "versioning",
        "release",
        "contributing",
        "security",
        "changelog",
    ),
}
"""Captions of the navigation, and the documents below each, without suffix."""

ROOT_DOCUMENTS = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Markdown at the root of the repository, and its name on the site."""

HIDDEN = ("readme", "python")
"""Documents of the repository that the site has in another form: the start, the API."""

LAST = "Engineering"
"""The section of documents that no section names."""


def sections(documents: set[str]) -> dict[str, list[str]]:
    """The sections with the documents that exist; unnamed ones are at the end of the last.

    Documents below a folder of a named one (`systems/eclipse`) belong to that one.
    """
    found = {
        title: [name for name in names if name in documents] for title, names in SECTIONS.items()
    }
    named = {name for names in found.values() for name in names}
    parents = {name.rpartition("/")[0] for name in named if name.endswith(("/README", "/index"))}
    others = documents - named - {"index", *HIDDEN}
    loose = [name for name in sorted(others) if not _has_parent(name, parents)]
    found[LAST] += loose
    return {title: names for title, names in found.items() if names}


def children(name: str, documents: set[str]) -> list[str]:
    """The documents that the document `FOLDER/README` has below it."""
    folder, _, last = name.rpartition("/")
    if last != "README":
        return []
    named = {one for names in SECTIONS.values() for one in names}
    inside = [one for one in sorted(documents) if one.startswith(f"{folder}/") and one != name]
    return [one for one in inside if one not in named and not one.endswith("-part")]


def _has_parent(name: str, parents: set[str]) -> bool:
    return any(name.startswith(f"{parent}/") for parent in parents)
