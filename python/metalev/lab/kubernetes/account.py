"""The files of a Pod's ServiceAccount, as a kubelet keeps them: a token bound to the Pod, renewed in time."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from metalev.lab.kubernetes.api import Api, Object

TOKEN_SECONDS = 3607  # what a kubelet asks for
RENEW_AFTER = 0.8  # of its life


class Account:
    """The folder that a Pod's container finds at ``/var/run/secrets/kubernetes.io/serviceaccount``."""

    def __init__(self, folder: Path, authority: Path, namespace: str) -> None:
        self.folder = folder
        self._renew_at = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(authority, folder / "ca.crt")
        (folder / "namespace").write_text(namespace)

    def renew(self, api: Api, pod: Object) -> None:
        """Write a new token if there is none or the old one has had most of its life."""
        if time.monotonic() < self._renew_at:
            return
        draft = self.folder / "token.new"
        draft.touch(mode=0o600)
        draft.write_text(self._request(api, pod))
        draft.rename(self.folder / "token")
        self._renew_at = time.monotonic() + RENEW_AFTER * TOKEN_SECONDS

    def _request(self, api: Api, pod: Object) -> str:
        """By the binding the token carries the names of Pod and node."""
        meta, account = pod["metadata"], pod["spec"].get("serviceAccountName", "default")
        bound = {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"boundObjectRef": bound, "expirationSeconds": TOKEN_SECONDS},
        }
        path = f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token"
        return str(api.create(path, request)["status"]["token"])
