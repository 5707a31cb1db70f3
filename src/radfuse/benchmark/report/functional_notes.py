"""What a report of PET-MR or SPECT-MR pairs states beside its tables."""

from collections.abc import Iterator, Sequence

from radfuse.benchmark.functional.measure import COLOUR_NAMES, COLOUR_PROFILE
from radfuse.benchmark.results import Results
from radfuse.benchmark.statistics.analysis import MetricStatistics
from radfuse.methods.catalogue import METHODS

READING = (
    "The pairs are of {images} and MR. A profile with -grey measures grey images: a method fuses "
    "the luma Y of the {images} with the MR, and the fused luma is compared with both, before any "
    "colour is put back. A profile with -y measures the luma of the image in colour, of 8 bits, "
    "for which the luminance of {space} is fused. colour1 measures the image in colour: the uptake "
    "is recovered from its colours by the map {colour_map}. Tables of papers are of any of the "
    "three."
)
"""Explains the profiles."""

COPY_OF_MR = "copy_mr"

REWARD_MR = ("VIF", "Qabf")
"""Metrics in which a copy of the MR is compared with networks."""

NO_UPTAKE = 0.9
"""From this share of uptake in error on, none is kept: a grey image is near 1."""


def reading(results: Results) -> Iterator[str]:
    """How to read the report, and what its settings note of the pairs."""
    if (pairs := results.functional) is None:
        return
    yield READING.format(images=pairs.images, space=pairs.colour_space, colour_map=pairs.colour_map)
    if pairs.note:
        yield pairs.note


def copy_of_mr(
    results: Results, columns: Sequence[MetricStatistics], profile: str
) -> Iterator[str]:
    """In which metrics of a profile the copy of the MR is before every network, as measured."""
    if results.functional is None or profile == COLOUR_PROFILE:
        return
    networks = [one.name for one in results.methods if _is_network(one.name)]
    parts = []
    for one in columns:
        means = one.summary["mean"]
        if (
            (one.metric.profile, one.metric.name) not in [(profile, name) for name in REWARD_MR]
            or COPY_OF_MR not in means
            or means.reindex(networks).dropna().empty
        ):
            continue
        of_copy, of_networks = means[COPY_OF_MR], means.reindex(networks)
        if of_copy > of_networks.max():
            best = f"{of_networks.max():.3f} of {of_networks.idxmax()}"
            parts.append(f"{one.metric.name} ({of_copy:.3f}; the best network has {best})")
    if parts:
        yield (
            f"The plain copy of the MR, {COPY_OF_MR}, is before every network here in "
            f"{' and '.join(parts)}{_kept(columns)}."
        )


def _is_network(name: str) -> bool:
    return name in METHODS and METHODS[name].family == "network"


def _kept(columns: Sequence[MetricStatistics]) -> str:
    """What that copy keeps of uptake, where colour was measured and there is nothing."""
    error = COLOUR_NAMES[1]
    for one in columns:
        if (one.metric.profile, one.metric.name) == (COLOUR_PROFILE, error):
            value = float(one.summary["mean"][COPY_OF_MR])
            if value >= NO_UPTAKE:
                return (
                    f", and keeps no uptake: {value:.2f} of it is in error. These metrics do not "
                    "tell whether a fused image shows the functional one"
                )
    return ""
