"""`radfuse cite`."""

from cli_kit import refused_in_a_line, run


def test_unknown_names_are_refused_in_a_line() -> None:
    refused_in_a_line(run("cite", "mfinett"), "no method 'mfinett'; nearest: mfinet")
    refused_in_a_line(run("cite", "--metrics", "qabff"), "no metric 'qabff'; nearest: qabf")
    refused_in_a_line(run("cite", "absent.json"), "absent.json: not a record of a fusion")


def test_the_command_prints_the_entries() -> None:
    result = run("cite", "csf", "--metrics", "ssim", "--registration")
    assert result.exit_code == 0
    assert "@article{csf," in result.output
    assert "@article{wang2004," in result.output
    assert "@article{mattes2003," in result.output
