"""What the parts of the node that handle fusions have in common."""

from radfuse.jobs.store import JobStore
from radfuse.node.audit import Audit
from radfuse.node.orthanc import Orthanc
from radfuse.node.settings import NodeSettings
from radfuse.node.store import NodeStore


class Part:
    """A part of the node, with the Orthanc, the lists, the audit log and the settings."""

    def __init__(
        self,
        orthanc: Orthanc,
        store: NodeStore,
        jobs: JobStore,
        audit: Audit,
        settings: NodeSettings,
    ) -> None:
        self._orthanc, self._store, self._jobs = orthanc, store, jobs
        self._audit, self._settings = audit, settings
