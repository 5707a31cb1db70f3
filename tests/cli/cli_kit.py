"""What tests of the command line share."""

from click.testing import CliRunner, Result

from radfuse.cli import main


def run(*arguments: object) -> Result:
    """`radfuse` with these arguments."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused_in_a_line(result: Result, words: str) -> None:
    """Exit status 2 and one line on stderr with these words."""
    assert result.exit_code == 2, result.output
    (line,) = (line for line in result.stderr.splitlines() if line)
    assert line.startswith("radfuse: ")
    assert words in line
