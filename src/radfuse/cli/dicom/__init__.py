"""`radfuse dicom`: the table of its commands, which are imported when they run."""

import click

from radfuse.cli import Commands

DICOM_COMMANDS = {
    "check": ("radfuse.cli.dicom.check:check_command", "Validate DICOM files."),
    "deidentify": (
        "radfuse.cli.dicom.deidentify:deidentify_command",
        "Create de-identified copies.",
    ),
    "echo": ("radfuse.cli.dicom.network:echo_command", "Test the connection to a PACS."),
    "send": ("radfuse.cli.dicom.network:send_command", "Send files and folders to a PACS."),
    "find": ("radfuse.cli.dicom.network:find_command", "Search a PACS."),
    "get": ("radfuse.cli.dicom.network:get_command", "Retrieve a study or a series from a PACS."),
}
"""Command, import path, summary."""


@click.command("dicom", cls=Commands, table=DICOM_COMMANDS)
def dicom_command() -> None:
    """Validate and de-identify DICOM files; send, find and retrieve them at a PACS.

    Research use only. Not a medical device.
    """
