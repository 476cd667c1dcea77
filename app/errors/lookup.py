"""From a code back to its error."""

from app.errors.base import InternalError, XmagError


def error_for_code(code: str) -> type[XmagError]:
    """The class that carries ``code``; InternalError if none does."""
    found = [XmagError]
    for cls in found:
        found.extend(cls.__subclasses__())
    return next((cls for cls in found if cls.code == code and cls is not XmagError), InternalError)
