"""`radfuse cite`."""

from pathlib import Path

import click

from radfuse.citations import cite
from radfuse.record import read_record


@click.command("cite")
@click.argument("methods", nargs=-1, metavar="[METHOD|RECORD]...")
@click.option(
    "--metrics", multiple=True, metavar="NAME", help="Metrics, or profiles, that were measured."
)
@click.option("--registration", is_flag=True, help="Cite the registration, too.")
def cite_command(*, methods: tuple[str, ...], metrics: tuple[str, ...], registration: bool) -> None:
    """Print BibTeX of radfuse and of the papers of methods and metrics.

    RECORD is the JSON file beside a fused image: its method and its registration are cited. A
    comment before the entries says what each is cited for.
    """
    names = []
    for method in methods:
        if not method.endswith(".json"):
            names.append(method)
            continue
        record = read_record(Path(method))
        names.append(str(record.method["name"]))
        registration |= record.registration is not None
    click.echo(cite(names, metrics, registered=registration), nl=False)
