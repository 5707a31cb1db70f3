"""Rules of the node: which series of a patient are fused, how, and where the result goes."""

import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from radfuse.dicom.read.derived import SERIES_SUFFIX
from radfuse.errors import InputError
from radfuse.intensity import window_named
from radfuse.jobs.job import IDENTITY_EPOCH
from radfuse.methods.loading import check_options, method_info, missing_weights
from radfuse.modality import CT, MR
from radfuse.node.orthanc import ArchivedSeries
from radfuse.recipe import FILE_FIELDS, SERIES_FIELDS, Recipe

ATTRIBUTES = {
    "description": "SeriesDescription",
    "study": "StudyDescription",
    "protocol": "ProtocolName",
    "body_part": "BodyPartExamined",
    "station": "StationName",
    "manufacturer": "Manufacturer",
    "calling_aet": "RemoteAET",
}
"""What a rule can ask of a series, and the keyword of its value."""

HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
"""From one time of the day to another; over midnight where the second is earlier."""

OF_ONE_PATIENT = (
    *SERIES_FIELDS, *FILE_FIELDS, "accept_patients", "accept_patients_reason", "show_identifiers",
    "deidentify",
)  # fmt: skip
"""Settings of a recipe that no rule may have."""

Pattern = Annotated[str, Field(min_length=1)]


class SeriesPattern(BaseModel):
    """What a series must be: regular expressions, found anywhere in the value, in any case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: Pattern | None = None
    study: Pattern | None = None
    protocol: Pattern | None = None
    body_part: Pattern | None = None
    station: Pattern | None = None
    manufacturer: Pattern | None = None
    calling_aet: Pattern | None = None

    @field_validator("*")
    @classmethod
    def _is_an_expression(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from error
        return pattern

    def problem(self, facts: dict[str, str], *, with_values: bool = False) -> str:
        """Why a series with these values does not match; empty if it does.

        Values of the series may identify a patient: they are in the reason only where asked for.
        """
        for name, keyword in ATTRIBUTES.items():
            pattern, value = getattr(self, name), facts.get(keyword, "")
            if pattern is not None and not re.search(pattern, value, re.IGNORECASE):
                found = f"is {value!r}, not" if with_values else "does not match"
                return f"{name} {found} {pattern!r}"
        return ""


class Rule(BaseModel):
    """Fuse what the patterns match by the recipe, and send it to the destinations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=64)]
    ct: SeriesPattern = SeriesPattern()
    mr: SeriesPattern = SeriesPattern()
    recipe: Recipe = Recipe(deterministic=True)
    destinations: tuple[str, ...] = ()
    """Modalities of the Orthanc, and its peers as `peer:NAME`."""

    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """Fusions of higher priority start first."""

    hours: str = ""
    """Hours in which fusions start, such as `18:00-06:00`; empty for all."""

    at_once: bool = False
    """Whether a patient is complete when a stable CT and MR match, without a quiet time."""

    @field_validator("hours")
    @classmethod
    def _are_hours(cls, hours: str) -> str:
        start, _, end = hours.partition("-")
        if hours and (not HOURS.fullmatch(hours) or start == end):
            raise ValueError("give hours as 18:00-06:00, or none for all")
        return hours

    @field_validator("recipe")
    @classmethod
    def _is_for_any_patient(cls, recipe: Recipe) -> Recipe:
        values = recipe.model_dump()
        if given := [name for name in OF_ONE_PATIENT if values[name]]:
            raise ValueError(f"{given[0]} is for one patient, whom a person knows; omit it")
        try:
            if missing := missing_weights(recipe.method):
                raise InputError(missing)
            method_info(recipe.method)
            check_options(recipe.method, recipe.options, recipe.device)
            window_named(recipe.window)
        except InputError as error:
            raise ValueError(str(error)) from error
        return recipe

    @property
    def asks_for_sender(self) -> bool:
        """Whether one of the patterns is of the AE title of the sender."""
        return bool(self.ct.calling_aet or self.mr.calling_aet)

    def is_open(self, moment: datetime) -> bool:
        """Whether a fusion may start at a local time."""
        match = HOURS.fullmatch(self.hours)
        if match is None:
            return True
        hour, minute, to_hour, to_minute = map(int, match.groups())
        start, end = time(hour, minute), time(to_hour, to_minute)
        now = moment.time()
        return start <= now < end if start <= end else now >= start or now < end


@dataclass(frozen=True)
class Match:
    """What of a patient a rule applies to."""

    rule: Rule
    series: tuple[ArchivedSeries, ...]
    """CT and MR that match; the pair is chosen among them as by `--study`."""

    @property
    def is_stable(self) -> bool:
        """Whether no image of these series is still to be expected."""
        return all(one.is_stable for one in self.series)

    @property
    def fingerprint(self) -> str:
        """Changes where the rule's recipe or one of the series changes."""
        listed = sorted((one.uid, one.instances, one.last_update) for one in self.series)
        return json.dumps([IDENTITY_EPOCH, self.rule.recipe.chosen, listed], sort_keys=True)


@dataclass(frozen=True)
class Answer:
    """Whether a rule applies to a patient, and why not."""

    rule: str
    match: Match | None
    reasons: tuple[str, ...] = ()
    """Sentences."""


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules of a TOML or JSON file, in the order in which they are tried.

    Raises `InputError` for a file that cannot be read, unknown or wrong values, and two rules of
    one name.
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:  # both kinds of errors of syntax are ValueErrors
        raise InputError(f"{path}: rules cannot be read: {error}") from error
    if (
        not isinstance(table, dict)
        or set(table) != {"rules"}
        or not isinstance(table["rules"], list)
    ):
        raise InputError(f"{path}: give a list of tables [[rules]], and nothing else")
    rules = tuple(_rule(path, number, one) for number, one in enumerate(table["rules"], 1))
    names = [rule.name for rule in rules]
    if not rules or len(set(names)) < len(names):
        problem = "two rules have one name" if rules else "no rule"
        raise InputError(f"{path}: {problem}; give each rule a name of its own")
    return rules


def _rule(path: Path, number: int, values: Any) -> Rule:
    try:
        if isinstance(values, dict) and isinstance(values.get("recipe"), dict):
            # the same pair gives the same result
            values = {**values, "recipe": {"deterministic": True, **values["recipe"]}}
        return Rule.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{path}: rule {number}: {key}: {message}") from error


def first_match(rules: Iterable[Rule], series: Sequence[ArchivedSeries]) -> list[Answer]:
    """The answers of the rules in their order, up to the first that matches."""
    answers = []
    for rule in rules:
        answers.append(apply(rule, series))
        if answers[-1].match:
            break
    return answers


def apply(rule: Rule, series: Sequence[ArchivedSeries], *, with_values: bool = False) -> Answer:
    """Whether a rule applies to the series of a patient.

    Values of the series may identify the patient: the reasons have them only where asked for.
    """
    found: list[ArchivedSeries] = []
    reasons = []
    for role, pattern in ((CT.code, rule.ct), (MR.code, rule.mr)):
        of_role = [one for one in series if one.facts.get("Modality") == role and not is_own(one)]
        problems = {
            one.resource: pattern.problem(one.facts, with_values=with_values) for one in of_role
        }
        matching = [one for one in of_role if not problems[one.resource]]
        if not of_role:
            reasons.append(f"the patient has no {role} of a scanner")
        elif not matching:
            reasons.append(f"no {role} matches: {next(iter(problems.values()))}")
        found += matching
    return Answer(rule.name, None if reasons else Match(rule, tuple(found)), tuple(reasons))


def is_own(series: ArchivedSeries) -> bool:
    """Whether radfuse made a series: it is never fused again."""
    return series.facts.get("SeriesDescription", "").endswith(SERIES_SUFFIX)
