"""The one exception hierarchy: every error that is raised on purpose, in all four packages.

Each class derives from :class:`Lab2FactoryError` and from the builtin that a caller would catch without
knowing us. ``code`` is a stable name (``TooFewDefectiveObjects``, ``NonFiniteScore``, ...) for programs.
"""

from __future__ import annotations


class Lab2FactoryError(Exception):
    """Base of every error we raise on purpose."""

    @property
    def code(self) -> str:
        """Stable name of the fault, for programs; by default the class name."""
        return getattr(self, "_code", None) or type(self).__name__


class _Located(Lab2FactoryError):
    """An error that says where, what was found, what was expected and what to do.

    Parameters
    ----------
    where
        The file, row, column or key.
    found
        What was there; shown with ``repr``.
    expected
        What would have been right, as a noun phrase.
    fix
        What to do, as a sentence.
    code
        Stable name of the fault; the class name if not given.
    """

    def __init__(self, where: str, found: object, expected: str, fix: str, code: str | None = None) -> None:
        super().__init__(where, found, expected, fix, code)  # plain args: survives pickling
        self._code = code

    def __str__(self) -> str:
        where, found, expected, fix, _ = self.args
        return f"{where}: found {found!r}, expected {expected}. {fix}"


class InputError(_Located, ValueError):
    """A file, row, column or key given by the user is wrong."""


class SplitError(_Located, ValueError):
    """The samples cannot be split as asked; the message holds the counts."""


class LeakageError(_Located, ValueError):
    """An object, or an anomalous image, is where it must not be."""


class WeightsError(_Located, ValueError):
    """Weights are missing, damaged or not those that were named."""


class UndefinedError(Lab2FactoryError, ValueError):
    """A quantity does not exist for these data (one class is empty, too few objects).

    Parameters
    ----------
    message
        What is undefined and why, with the counts.
    code
        Stable name of the fault; ``UndefinedError`` if not given.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message, code)
        self._code = code

    def __str__(self) -> str:
        return str(self.args[0])


class DetectorError(Lab2FactoryError, RuntimeError):
    """A detector broke its contract (NaN scores, a wrong number of scores, ...)."""


class NotFittedError(Lab2FactoryError, RuntimeError):
    """A detector was asked for scores before it was fitted or loaded."""


class MissingExtraError(Lab2FactoryError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    what
        The feature that needs it.
    extra
        Name of the extra that brings it, as in ``pip install "lab2factory[extra]"``.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, extra)
        self.extra = extra

    def __str__(self) -> str:
        what, extra = self.args
        return f'{what} needs the extra {extra!r}. Install it with: pip install "lab2factory[{extra}]"'


class StoreError(_Located, OSError):
    """A run folder cannot be written, or what it holds is damaged."""

    def __init__(self, where: str, found: object, expected: str, fix: str, code: str | None = None) -> None:
        super().__init__(where, found, expected, fix, code)
        self.args = (where, found, expected, fix, code)  # OSError keeps the first two only

    # OSError.__str__ would print errno style.
    __str__ = _Located.__str__


class Interrupted(Lab2FactoryError, KeyboardInterrupt):  # noqa: N818 - it is not an error, the user asked for it
    """The user stopped the program; what was finished is kept."""
