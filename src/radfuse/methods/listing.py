"""The fusion methods with what a user must know of each, for Python and notebooks."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from radfuse.methods.catalogue import METHODS
from radfuse.methods.hidden_findings import findings_sentence
from radfuse.methods.installed import weights_folder, weights_in
from radfuse.methods.loading import method_info, missing_weights, options_of
from radfuse.methods.options import Option


@dataclass(frozen=True)
class MethodDescription:
    """One fusion method.

    Examples
    --------
    >>> import radfuse
    >>> laplacian = radfuse.methods()["laplacian"]
    >>> laplacian.family
    'multiscale'
    >>> {name: option.default for name, option in laplacian.options.items()}
    {'levels': 4}
    """

    name: str
    """The same word in `Recipe.method`, in `--method` and in the documents."""

    summary: str
    """What it does, in a line."""

    source: str
    """Paper or origin."""

    family: str
    """Its group in the documents, such as `multiscale`, `sparse` or `network`."""

    @property
    def options(self) -> Mapping[str, Option]:
        """Its options by name: default, range, unit and meaning."""
        return options_of(self.name)

    @property
    def findings(self) -> str:
        """Which kinds of findings its images keep, and which they may hide, in one line."""
        return findings_sentence(self.name)

    @property
    def missing(self) -> str:
        """How to install its weights; empty where nothing is missing."""
        return missing_weights(self.name)


class MethodTable(dict[str, MethodDescription]):
    """Methods by name; in a notebook a table.

    Examples
    --------
    >>> import radfuse
    >>> sorted({one.family for one in radfuse.methods().values()})[:3]
    ['baseline', 'bone and detail', 'filter']
    """

    def __repr__(self) -> str:
        """One line: how many there are."""
        return f"<MethodTable: {len(self)} methods>"

    def _repr_html_(self) -> str:
        heads = ("method", "family", "what it does", "source")
        cells = ((one.name, one.family, one.summary, one.source) for one in self.values())
        rows = "".join(f"<tr>{_cells(row, 'td')}</tr>" for row in cells)
        return f"<table><thead><tr>{_cells(heads, 'th')}</tr></thead><tbody>{rows}</tbody></table>"


def methods() -> MethodTable:
    """List the fusion methods: those of the catalogue, then installed weights.

    The path of an ONNX file is a method, too, see examples/own-onnx-method.md.

    Raises
    ------
    InputError
        For installed weights that cannot be read.

    Examples
    --------
    >>> import radfuse
    >>> table = radfuse.methods()
    >>> table["average"].summary
    'mean of CT and MR'
    >>> "signed_detail" in table
    True
    """
    installed = [one.name for one in weights_in(weights_folder())]
    return MethodTable({name: _description(name) for name in (*METHODS, *installed)})


def _description(name: str) -> MethodDescription:
    info = method_info(name)
    return MethodDescription(name, info.summary, info.source, info.family)


def _cells(texts: tuple[str, ...], tag: str) -> str:
    return "".join(f"<{tag} style='text-align:left'>{escape(text)}</{tag}>" for text in texts)
