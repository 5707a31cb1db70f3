"""Options of methods, declared on the fields of their dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args

from radfuse.errors import InputError
from radfuse.intensity import Window

Value = float | int | str
"""What an option can be set to."""


@dataclass(frozen=True)
class Option:
    """An option of a method: its default, what is allowed, what it does.

    Examples
    --------
    >>> import radfuse
    >>> levels = radfuse.methods()["laplacian"].options["levels"]
    >>> levels.default, levels.allowed
    (4, '1 to 10, whole')
    """

    default: Value
    """Its value where a recipe has none."""

    help: str
    """What it does."""

    limits: tuple[float, float] = (0.0, 1.0)
    """Smallest and largest number."""

    unit: str = ""
    """Unit of the number; empty for none."""

    hu: float | None = None
    """The grey level of this CT value is the default where the CT window is known."""

    name: str = ""
    """Its key in `Recipe.options`."""

    kind: Any = float
    """`float`, `int` or a `Literal` of words."""

    @property
    def allowed(self) -> str:
        """The words, or the range of the numbers."""
        if choices := get_args(self.kind):
            return " | ".join(choices)
        low, high = self.limits
        return f"{low:g} to {high:g}" + (", whole" if self.kind is int else "")

    def checked(self, value: Any) -> Value:
        """The value in the option's type; `InputError` for one that is not allowed."""
        if value in get_args(self.kind):
            return str(value)
        low, high = self.limits
        is_number = isinstance(value, float | int) and not isinstance(value, bool)
        if get_args(self.kind) or not is_number or not low <= value <= high or (
            self.kind is int and value != int(value)
        ):  # fmt: skip
            raise InputError(f"option {self.name}: {value!r} is not allowed; give {self.allowed}")
        number: Value = self.kind(value)
        return number


def option(default: Value, description: str, **facts: Any) -> Any:
    """A dataclass field that is an option; `facts` are further fields of `Option`."""
    return field(default=default, metadata={"option": Option(default, description, **facts)})


def declared_options(kind: type) -> dict[str, Option]:
    """The options of a method's class by name."""
    return {
        one.name: replace(one.metadata["option"], name=one.name, kind=one.type)
        for one in fields(kind)
        if "option" in one.metadata
    }


def checked_options(
    declared: Mapping[str, Option], given: Mapping[str, Any], window: Window | None = None
) -> dict[str, Value]:
    """The given values, and the grey levels of HU values in the CT window, where it is known.

    Raises `InputError` for an option that is not declared and for a value that is not allowed.
    """
    if unknown := sorted(given.keys() - declared.keys()):
        names = f"the options are {', '.join(declared)}" if declared else "it has no options"
        raise InputError(f"no option {', '.join(unknown)}; {names}")
    grey = {
        name: window.threshold(one.hu)
        for name, one in declared.items()
        if window is not None and one.hu is not None
    }
    return {**grey, **{name: declared[name].checked(value) for name, value in given.items()}}


def option_values(method: Any) -> dict[str, Value]:
    """The values that the options of a method have."""
    return {name: getattr(method, name) for name in declared_options(type(method))}
