"""`radfuse dicom`: the table of its commands, which are imported when they run."""

import click

from radfuse.cli import Commands

DICOM_COMMANDS = {
    "check": ("radfuse.cli.dicom.check:check_command", "Say what is wrong with DICOM files."),
    "deidentify": (
        "radfuse.cli.dicom.deidentify:deidentify_command",
        "Copy files without who the patient is.",
    ),
    "echo": ("radfuse.cli.dicom.network:echo_command", "Ask whether a PACS answers."),
    "send": ("radfuse.cli.dicom.network:send_command", "Send files and folders to a PACS."),
    "find": ("radfuse.cli.dicom.network:find_command", "List what a PACS has."),
    "get": ("radfuse.cli.dicom.network:get_command", "Fetch a study or a series from a PACS."),
}
"""Command, where it lives, what it does."""


@click.command("dicom", cls=Commands, table=DICOM_COMMANDS)
def dicom_command() -> None:
    """Check DICOM files, and send them to a PACS, find them there and fetch them.

    Research use only. Not a medical device.
    """
