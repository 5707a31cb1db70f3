"""What arrives: follow the changes of the Orthanc, and apply the rules to complete patients."""

import logging
import time
from collections.abc import Callable, Sequence

from radfuse.node.audit import Audit
from radfuse.node.orthanc import ArchivedSeries, Change, Orthanc
from radfuse.node.rules import Answer, Rule, first_match
from radfuse.node.settings import NodeSettings
from radfuse.node.state import Patient, PatientState
from radfuse.node.store import NodeStore

LOG = logging.getLogger(__name__)

LEVELS = {
    "NewSeries": "series", "StableSeries": "series", "NewStudy": "studies",
    "StableStudy": "studies",
}  # fmt: skip
"""Changes that concern a patient, and the level of their resource."""

PATIENT_CHANGES = ("NewPatient", "StablePatient")
"""Changes whose resource is the patient."""


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
        self._arrived: dict[str, float] = {}
        """When something last arrived, by a clock that nobody sets; of this process."""

    def follow(self) -> None:
        """Store the patients of all changes since the last time, and the new position."""
        position = self._start()
        more = True
        while more:
            changes, last, more = self._orthanc.changes(position)
            if last < position and not changes:
                LOG.warning("Orthanc has a new index; its changes are read from the beginning")
                last, more = 0, True
            patients = self._patients_of(changes)
            if patients or last != position:
                self._store.advance(last, patients)
            for patient in patients:
                self._arrived[patient] = self._clock()
            position = last

    def _start(self) -> int:
        position = self._store.position()
        if position is None:
            position = 0 if self._settings.from_beginning else self._orthanc.last_change()
            self._store.advance(position, [])
        return position

    def _patients_of(self, changes: Sequence[Change]) -> list[str]:
        """The patients whom changes concern, each once."""
        resources = {
            (LEVELS[one.kind], one.resource): None for one in changes if one.kind in LEVELS
        }
        found = {one.resource: None for one in changes if one.kind in PATIENT_CHANGES}
        for level, resource in resources:
            if patient := self._orthanc.patient_of(level, resource):
                found[patient] = None
        return list(found)

    def apply_rules(self, rules: Sequence[Rule]) -> None:
        """Plan a fusion of each patient that is complete, or store why there is none."""
        for patient in self._store.patients([PatientState.ARRIVING]):
            self._apply(patient, rules)

    def _apply(self, patient: Patient, rules: Sequence[Rule]) -> None:
        since = self._arrived.setdefault(patient.patient, self._clock())
        series = self._orthanc.series_of(patient.patient)
        answers = first_match(rules, series)
        if not patient.is_forced and not self._is_complete(series, answers, since):
            return
        del self._arrived[patient.patient]
        match = answers[-1].match
        if match is None:
            reason = "; ".join(reason_of(answers))
            self._store.settle(patient.patient, PatientState.UNMATCHED, reason, "")
            self._write("no rule applies", patient.patient)
            return
        if match.fingerprint == patient.fingerprint and not patient.is_forced:
            # what arrived is of no rule, such as our own results
            self._store.settle(patient.patient, PatientState.MATCHED, "", match.fingerprint)
            return
        number = self._store.plan(
            patient.patient, match.rule.name, match.fingerprint, forced=patient.is_forced
        )
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


def reason_of(answers: Sequence[Answer]) -> list[str]:
    """Why no rule applies, a sentence for each rule."""
    return [f"{one.rule}: {', '.join(one.reasons)}" for one in answers if one.reasons]
