"""The file of the rules, read again when it changes; a wrong one does not replace the last."""

import logging
from pathlib import Path

from radfuse.errors import InputError
from radfuse.node.rules import Rule, read_rules

LOG = logging.getLogger(__name__)


class RulesFile:
    """The rules in force. Raises `InputError` where the file is wrong at the start."""

    def __init__(self, path: Path) -> None:
        self._path, self.problem = path, ""
        self.rules: tuple[Rule, ...] = read_rules(path)
        self._read_at = self._changed_at()

    def refresh(self) -> bool:
        """Read the file if it has changed; returns whether there are new rules.

        Where it is wrong, `problem` says why.
        """
        changed_at = self._changed_at()
        if changed_at == self._read_at:
            return False
        self._read_at = changed_at
        try:
            self.rules, self.problem = read_rules(self._path), ""
            LOG.info("rules read", extra={"rules": len(self.rules)})
            return True
        except InputError as error:
            self.problem = f"{error}; the earlier rules remain in force"
            LOG.warning("rules are wrong; the earlier ones remain in force")
            return False

    def _changed_at(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return 0, 0
        return status.st_mtime_ns, status.st_size
