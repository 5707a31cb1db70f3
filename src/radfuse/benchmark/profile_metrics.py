"""The metrics of a profile as the columns of a report."""

from collections.abc import Iterator, Mapping

from radfuse.benchmark.functional.measure import COLOUR_NAMES, COLOUR_PROFILE, grey_columns
from radfuse.benchmark.results import ProfileMetric
from radfuse.metrics.catalogue import METRICS
from radfuse.metrics.functional_kept import SIGNAL
from radfuse.metrics.profiles import Column, columns_of

OWN = "this project; docs/functional.md"

COLOUR_COLUMNS = (
    (True, "of the uptake that is recovered from the fused colours with the true one", OWN),
    (False, f"mean error of recovered uptake, relative, where uptake is above {SIGNAL}", OWN),
    (
        False, f"mean difference of colours where uptake is above {SIGNAL}; 1 is just visible",
        "Luo, Cui, Rigg 2001, doi:10.1002/col.1049",
    ),
    (
        True, f"edges of the MR that luma keeps where uptake is {SIGNAL} or less",
        "Q^AF of Xydeas, Petrovic 2000, doi:10.1049/el:20000267",
    ),
)  # fmt: skip
"""Of each of `COLOUR_NAMES`: whether larger is better, what it measures, source."""


def profile_metrics(profile: str, *, functional: bool) -> tuple[ProfileMetric, ...]:
    """The metrics of a profile; raises `InputError` for an unknown one.

    Those of PET-MR and SPECT-MR pairs are in `radfuse.benchmark.functional.measure`.
    """
    if not functional:
        return tuple(_of_catalogue(profile, columns_of(profile)))
    if profile != COLOUR_PROFILE:
        return tuple(_of_catalogue(profile, grey_columns(profile)))
    return tuple(
        ProfileMetric(profile, name, larger_is_better, "", summary, source)
        for name, (larger_is_better, summary, source) in zip(
            COLOUR_NAMES, COLOUR_COLUMNS, strict=True
        )
    )


def _of_catalogue(profile: str, columns: Mapping[str, Column]) -> Iterator[ProfileMetric]:
    for name, column in columns.items():
        info = METRICS[column.metric]
        choices = ", ".join(f"{key}={value}" for key, value in column.options.items())
        yield ProfileMetric(
            profile=profile,
            name=name,
            larger_is_better=info.larger_is_better,
            unit=info.unit,
            summary=info.summary,
            source=info.source + (f" ({choices})" if choices else ""),
        )
