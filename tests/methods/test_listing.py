"""The list of methods for Python and notebooks."""

import pytest

import radfuse
from radfuse.methods.catalogue import METHODS


def test_all_methods_are_listed_with_their_facts() -> None:
    table = radfuse.methods()
    assert list(table)[: len(METHODS)] == list(METHODS)
    for name, one in table.items():
        assert one.name == name
        assert one.summary
        assert one.family
        assert one.findings
    assert repr(table) == f"<MethodTable: {len(table)} methods>"


def test_a_method_states_its_options_and_weights() -> None:
    laplacian = radfuse.methods()["laplacian"]
    assert laplacian.options["levels"].default == 4
    assert laplacian.missing == ""


def test_a_notebook_shows_a_table_of_all_methods() -> None:
    html = radfuse.methods()._repr_html_()
    assert html.count("<tr>") == len(radfuse.methods()) + 1
    assert "signed_detail" in html
    assert "Song et al. 2024, own weights" in html


def test_changing_the_table_changes_no_catalogue() -> None:
    radfuse.methods().clear()
    assert radfuse.methods()


@pytest.mark.parametrize("name", ["average", "signed_detail"])
def test_a_listed_name_is_a_method_of_recipes(name: str) -> None:
    assert radfuse.Recipe(method=radfuse.methods()[name].name).method == name
