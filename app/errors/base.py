"""The base of every error the product raises on purpose: a stable code, and a sentence that says what to do.

``code`` never changes once published: other systems branch on it. ``status`` is the HTTP status of the
problem document (RFC 9457). ``origin`` says whose move it is: ``user`` (send something else) or ``system``
(our side). ``retryable`` means that the same request may succeed later without being changed.
"""

from typing import ClassVar, Literal

Origin = Literal["user", "system"]


class XmagError(Exception):
    """Base of all typed errors.

    ``details`` are extra members for the problem document: JSON values only, never a path or a patient's name.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    origin: ClassVar[Origin] = "system"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: str | int | float | bool | None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InternalError(XmagError):
    """Something went wrong that nobody foresaw; the log has the traceback."""

    retryable = True
