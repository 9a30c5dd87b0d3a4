"""BGP communities as MetalLB spells them."""

from __future__ import annotations

from collections.abc import Iterable

from metalev.adapters.codec.fields import BadField

_LARGE = "large"


def check_community(text: str, path: str, aliases: Iterable[str] = ()) -> None:
    """``text`` must be ``a:b`` (RFC 1997) or ``large:a:b:c`` (RFC 8092), in decimal. Raises :class:`BadField`.

    ``aliases`` are the names that may be written instead; a text without a colon is taken for one of them.
    """
    match text.split(":"):
        case [a, b]:
            _check_parts(text, (a, b), 16, path)
        case [large, a, b, c] if large == _LARGE:
            _check_parts(text, (a, b, c), 32, path)
        case [_] if known := sorted(aliases):
            raise BadField(path, f'invalid community string "{text}": write a:b, large:a:b:c or {" or ".join(known)}')
        case _:
            raise BadField(path, f'invalid community string "{text}": write a:b or large:a:b:c')


def _check_parts(text: str, parts: Iterable[str], bits: int, path: str) -> None:
    for part in parts:
        if not (part.isascii() and part.isdecimal()) or int(part) >= 1 << bits:
            raise BadField(path, f'invalid community "{text}": "{part}" is no whole number from 0 to {(1 << bits) - 1}')
