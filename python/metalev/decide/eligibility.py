"""Which addresses a Service may have, by the books, in MetalLB's words."""

from __future__ import annotations

from collections.abc import Mapping

from metalev.decide.ledger import Ledger
from metalev.decide.poolchoice import Addresses, Namespaces, is_for
from metalev.decide.sharing import terms_of
from metalev.decide.words import quoted, quoted_list
from metalev.model.errors import MetalevError
from metalev.model.pools import Pool
from metalev.model.services import Service


class Refused(MetalevError):
    """An address cannot be had; the message says which and why, as MetalLB says it."""


class Eligibility:
    """One Service's right to addresses."""

    def __init__(self, service: Service, ledger: Ledger, namespaces: Namespaces, unread: Mapping[str, str]) -> None:
        self._service = service
        self._ledger = ledger
        self._namespaces = namespaces
        self._unread = unread
        self.terms = terms_of(service)

    def check(self, addresses: Addresses, *, holds_it: bool = False) -> str:
        """The one pool that all ``addresses`` are of, if the Service may have them. Raises :class:`Refused`.

        What it holds may be of a pool that cannot be read.
        """
        pool, astray = self.pool_of(addresses), self.astray(addresses)
        known = [address for address in addresses if address not in astray]
        if (astray and not (holds_it and self._unread)) or any(self._ledger.pool_of(one) != pool for one in known):
            raise Refused(f"{quoted_list(addresses)} is not allowed in config")
        if pool is not None and not is_for(pool, self._service, self._namespaces, holds_it=holds_it):
            raise Refused(f"pool {pool.name.name} not compatible for ip assignment")
        for address in addresses:
            whose = self._ledger.barred(address)
            if whose and not holds_it:
                raise Refused(f"{quoted(address)} is not allowed in config: it is an address {whose}")
            refusal = self._ledger.refusal(self._service.name, self.terms, address)
            if refusal:
                raise Refused(refusal)
        return self.pool_name(addresses)

    def pool_of(self, addresses: Addresses) -> Pool | None:
        """The first known pool of any of ``addresses``."""
        return next((pool for one in addresses if (pool := self._ledger.pool_of(one)) is not None), None)

    def pool_name(self, addresses: Addresses) -> str:
        """The pool of ``addresses``; if it is not known, what the status names."""
        pool = self.pool_of(addresses)
        return self._service.status.pool if pool is None else pool.name.name

    def astray(self, addresses: Addresses) -> Addresses:
        """Those of ``addresses`` that are in no known pool."""
        return tuple(address for address in addresses if self._ledger.pool_of(address) is None)
