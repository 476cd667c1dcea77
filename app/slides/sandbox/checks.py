"""Checks on single values of a message from the reader process. Each raises ChannelGarbledError."""

from collections.abc import Sequence
from typing import Any

from app.slides.sandbox.channel import ChannelGarbledError, Message

_TEXT_MAX = 1000


def text(message: Message, key: str) -> str:
    """The string under ``key``, made printable and cut to 1000 characters."""
    value = message.get(key)
    if not isinstance(value, str):
        raise ChannelGarbledError(key)
    return "".join(char if char.isprintable() else " " for char in value[:_TEXT_MAX])


def whole(value: object, low: int, high: int) -> int:
    """An int from ``low`` to ``high``."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ChannelGarbledError("whole number out of range")
    return value


def number(value: object, low: float, high: float) -> float:
    """A finite number from ``low`` to ``high``."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise ChannelGarbledError("number out of range")
    return float(value)


def bool_or_none(value: object) -> bool | None:
    """True, False or None. Raises ChannelGarbledError."""
    if value is not None and not isinstance(value, bool):
        raise ChannelGarbledError("neither true nor false")
    return value


def fraction_or_none(value: object) -> float | None:
    """0 to 1, or None."""
    return None if value is None else number(value, 0, 1)


def sequence(value: object, length: int) -> Sequence[Any]:
    """A list of that length."""
    if not isinstance(value, list) or len(value) != length:
        raise ChannelGarbledError("list of another length")
    return value
