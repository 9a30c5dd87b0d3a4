"""A certificate authority and what it signs, by openssl: the trust that kubeadm would set up."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from metalev.lab.namespace import LabError
from metalev.model.errors import StartError

# Key identifiers and usages are there because Python's TLS asks for them since 3.13 (RFC 5280, sections 4.2.1.1 to 3).
_CONFIG = """\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""
_CURVE = "ec_paramgen_curve:P-256"
_DAYS = "365"


class Certificates:
    """Key pairs in a directory, each as NAME.crt and NAME.key."""

    def __init__(self, directory: Path, server_names: Sequence[str]) -> None:
        if shutil.which("openssl") is None:
            raise StartError("openssl is missing: apt-get install -y openssl")
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._config = directory / "openssl.cnf"
        self._config.write_text(_CONFIG.format(names=", ".join(server_names)))
        self._request("ca", "/CN=metalev-lab", "authority")
        self._request("server", "/CN=kube-apiserver", "server", *self._signed)
        public, private = map(str, self.service_accounts)
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", _CURVE, "-out", private)
        self._openssl("pkey", "-in", private, "-pubout", "-out", public)

    @property
    def authority(self) -> Path:
        """The certificate that everybody trusts."""
        return self._directory / "ca.crt"

    @property
    def server(self) -> tuple[Path, Path]:
        """The API server's certificate and key."""
        return self._directory / "server.crt", self._directory / "server.key"

    @property
    def service_accounts(self) -> tuple[Path, Path]:
        """The public and the private key of the tokens of ServiceAccounts."""
        return self._directory / "service-accounts.pub", self._directory / "service-accounts.key"

    def client(self, user: str, groups: Sequence[str]) -> tuple[Path, Path]:
        """The certificate and key of a user, made when first asked for."""
        name = user.replace(":", "-").replace("/", "-")
        certificate, key = self._directory / f"client-{name}.crt", self._directory / f"client-{name}.key"
        if not certificate.exists():
            subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
            self._request(f"client-{name}", subject, "client", *self._signed)
        return certificate, key

    @property
    def _signed(self) -> tuple[str, ...]:
        return "-CA", str(self.authority), "-CAkey", str(self._directory / "ca.key")

    def _request(self, name: str, subject: str, extensions: str, *options: str) -> None:
        made = ("-keyout", str(self._directory / f"{name}.key"), "-out", str(self._directory / f"{name}.crt"))
        key = ("-newkey", "ec", "-pkeyopt", _CURVE, "-noenc")
        of = ("-config", str(self._config), "-extensions", extensions, "-subj", subject, "-days", _DAYS)
        self._openssl("req", "-x509", *key, *of, *made, *options)

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise LabError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
