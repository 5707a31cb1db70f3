"""What arrives: follow the changes of the Orthanc, and apply the rules to complete patients."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from radfuse.errors import PeerError
from radfuse.node.audit import Audit
from radfuse.node.each import for_each
from radfuse.node.orthanc import ArchivedSeries, Change, NoAnswerError, Orthanc
from radfuse.node.rules import Answer, Rule, first_match
from radfuse.node.settings import NodeSettings
from radfuse.node.state import Patient, PatientState
from radfuse.node.store import NodeStore

LOG = logging.getLogger(__name__)

SERIES_CHANGES = ("NewSeries", "StableSeries")
"""Changes whose resource is a series; those of a study come with them."""

PATIENT_CHANGES = ("NewPatient", "StablePatient")
"""Changes whose resource is the patient."""

NEW = "New"
"""Start of the kinds of changes by which something arrives; others say that it is stable."""

RECHECK = 2.0
"""A patient whose series are not stable is asked for again after so many times the quiet time:
an Orthanc that was restarted does not call stable what had arrived before."""

MIN_RECHECK_S = 5.0
"""Least such time; all other series are reported as soon as they are stable."""

MAX_FAULTS = 5
"""So often a change is asked for whose patient the Orthanc cannot name; then it is ignored."""

MAX_PER_ROUND = 200
"""Patients that the rules are applied to in one round, so that results are not kept waiting."""

MAX_ANSWERS = 20
"""Answers with changes that are followed in one round."""


@dataclass
class _Waiting:
    """A patient to whom no rule was applied yet, by a clock that nobody sets; of this process."""

    arrived: float
    """When a series last arrived."""
    due: float
    """When to ask for the series again."""


class Arrivals:
    """Patients of whom something arrived, until a rule was applied to them."""

    def __init__(
        self,
        orthanc: Orthanc,
        store: NodeStore,
        audit: Audit,
        settings: NodeSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._orthanc, self._store, self._audit = orthanc, store, audit
        self._settings, self._clock = settings, clock
        self._waiting: dict[str, _Waiting] = {}
        self._faults: dict[str, int] = {}
        """How often the Orthanc could not name the patient of a resource."""

    def follow(self) -> None:
        """Store the patients of all changes since the last time, and the new position."""
        position, more = self._start(), True
        for _ in range(MAX_ANSWERS):
            if not more:
                return
            try:
                position, more = self._follow(position)
            except NoAnswerError:
                for waiting in self._waiting.values():
                    waiting.due = self._clock()
                raise

    def _follow(self, position: int) -> tuple[int, bool]:
        """Follow one answer; returns the new position, and whether there is more."""
        changes, more = self._orthanc.changes(max(position - 1, 0))
        mark = self._store.mark
        known = [one for one in changes if one.number <= position]
        if mark and known and known[-1].mark != mark:
            return self._begin_again(), True
        if position and not changes and (last := self._orthanc.last_change()) < position:
            return self._go_back(last, mark), False
        new = [one for one in changes if one.number > position]
        if changes and (new or not mark):
            arrived = self._patients_of([one for one in new if one.kind.startswith(NEW)])
            others = self._patients_of([one for one in new if not one.kind.startswith(NEW)])
            self._store.advance(changes[-1].number, sorted(arrived | others), changes[-1].mark)
            self._expect(arrived, others)
        return changes[-1].number if changes else position, more

    def _go_back(self, last: int, mark: str) -> int:
        """The newest changes are gone: their patients were deleted, or the index is another one.

        Another one has no change as old as those that were followed; an older copy of the index
        has only such.
        """
        found, _ = self._orthanc.changes(max(last - 1, 0))
        newest = found[-1] if found else None
        if newest is not None and newest.date > date_of(mark):
            return self._begin_again()
        self._store.advance(last, [], newest.mark if newest else "")
        return last

    def _begin_again(self) -> int:
        """The Orthanc has a new index: where to follow its changes from.

        Patients that were not to be taken at the first start are not now, in whatever index.
        """
        LOG.warning("Orthanc has a new index")
        self._audit.write("new index of Orthanc")
        position = 0 if self._settings.from_beginning else self._orthanc.last_change()
        self._store.advance(position, [])
        return position

    def _expect(self, arrived: set[str], others: set[str]) -> None:
        """Ask for the series of these patients: at once where some are stable."""
        now = self._clock()
        for patient in arrived:
            self._waiting[patient] = _Waiting(now, now + self._settings.quiet_s)
        for patient in others:
            self._waiting.setdefault(patient, _Waiting(now, now)).due = now

    def _start(self) -> int:
        position = self._store.position()
        if position is None:
            position = 0 if self._settings.from_beginning else self._orthanc.last_change()
            self._store.advance(position, [])
        return position

    def _patients_of(self, changes: Sequence[Change]) -> set[str]:
        """The patients whom changes concern."""
        found = {one.resource for one in changes if one.kind in PATIENT_CHANGES}
        for resource in {one.resource for one in changes if one.kind in SERIES_CHANGES}:
            try:
                patient = self._orthanc.patient_of(resource)
            except NoAnswerError:
                raise
            except PeerError as error:
                self._faults[resource] = self._faults.get(resource, 0) + 1
                if self._faults[resource] < MAX_FAULTS:
                    raise
                LOG.warning("change ignored", extra={"error": str(error)})
                continue
            if patient:
                found.add(patient)
        return found

    def apply_rules(self, rules: Sequence[Rule]) -> None:
        """Plan a fusion of each patient that is complete, or store why there is none."""
        now = self._clock()
        arriving = self._store.patients([PatientState.ARRIVING])
        for one in arriving:
            self._waiting.setdefault(one.patient, _Waiting(now, now))
        due = [one for one in arriving if one.is_forced or self._waiting[one.patient].due <= now]
        for_each(due[:MAX_PER_ROUND], lambda patient: self._apply(patient, rules))

    def _apply(self, patient: Patient, rules: Sequence[Rule]) -> None:
        waiting = self._waiting[patient.patient]
        waiting.due = self._clock() + max(RECHECK * self._settings.quiet_s, MIN_RECHECK_S)
        try:
            with_sender = any(rule.asks_for_sender for rule in rules)
            series = self._orthanc.series_of(patient.patient, with_sender=with_sender)
        except PeerError as error:
            self._store.note(patient.patient, str(error))
            raise
        answers = first_match(rules, series)
        if not patient.is_forced and not self._is_complete(series, answers, waiting.arrived):
            quiet = waiting.arrived + self._settings.quiet_s
            waiting.due = quiet if quiet > self._clock() else waiting.due
            return
        self._settle(patient, series, answers)
        del self._waiting[patient.patient]

    def _settle(
        self, patient: Patient, series: Sequence[ArchivedSeries], answers: Sequence[Answer]
    ) -> None:
        match = answers[-1].match
        if match is None:
            reason = "; ".join(reason_of(answers)) if series else "deleted from the Orthanc"
            self._store.settle(
                patient.patient, PatientState.UNMATCHED, reason, "", forced=patient.is_forced
            )
            self._write("no rule applies", patient.patient)
            return
        if match.fingerprint == patient.fingerprint and not patient.is_forced:
            # what arrived is of no rule, such as our own results
            self._store.settle(
                patient.patient, PatientState.MATCHED, "", match.fingerprint, forced=False
            )
            return
        number = self._store.plan(
            patient.patient, match.rule.name, match.fingerprint, forced=patient.is_forced
        )
        if number is None:  # forced meanwhile
            return
        LOG.info("fusion planned", extra={"fusion": number, "rule": match.rule.name})
        self._write("fusion planned", patient.patient, fusion=number, rule=match.rule.name)

    def _is_complete(
        self, series: Sequence[ArchivedSeries], answers: Sequence[Answer], since: float
    ) -> bool:
        match = answers[-1].match if answers else None
        if match and match.rule.at_once and all(one.is_stable for one in match.series):
            return True
        is_quiet = self._clock() - since >= self._settings.quiet_s
        return is_quiet and all(one.is_stable for one in series)

    def _write(self, what: str, patient: str, **facts: object) -> None:
        """An entry in the audit log; the patient is asked for only where it is to be named."""
        patient_id = ""
        if self._audit.with_identifiers:
            patient_id = self._orthanc.patient_facts(patient).get("PatientID", "")
        self._audit.write(what, patient_id=patient_id, facts=facts)


def date_of(mark: str) -> str:
    """The date and time in the mark of a change."""
    return mark.rpartition(" ")[2]


def reason_of(answers: Sequence[Answer]) -> list[str]:
    """Why no rule applies, a sentence for each rule."""
    return [f"{one.rule}: {', '.join(one.reasons)}" for one in answers if one.reasons]
