"""A real Kubernetes API server with its etcd, on free ports of the loopback address; certificates and users too."""

import base64
import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

USERS = {"admin": "system:masters", "nobody": ""}
"""name → group; each has a token that is called after it."""

PATIENCE = 180.0
"""Seconds until it is ready; alone on two cores it takes three."""

LARGEST = 8 << 20
"""Bytes of an object that etcd takes here; by default 1.5 MiB, which administrators raise."""

CONTROLLERS = ("endpointslice-controller",)


class KubeServer:
    """etcd, kube-apiserver and, on demand, kube-controller-manager. `url` is the API server's."""

    def __init__(self, binary, folder):
        self.folder = folder
        self._binary = binary
        self._running = {}
        self._etcd, self._peer, self.port = free_ports(3)
        self.url = f"https://127.0.0.1:{self.port}"
        self._write_files()

    # --- running -----------------------------------------------------------------------------------------------------

    def start(self):
        here = f"http://127.0.0.1:{self._etcd}"
        peer = f"http://127.0.0.1:{self._peer}"
        self._run(
            "etcd",
            *(f"--data-dir={self.folder / 'data'}", "--name=t", "--unsafe-no-fsync", "--log-level=warn"),
            f"--max-request-bytes={LARGEST}",
            *(f"--listen-client-urls={here}", f"--advertise-client-urls={here}"),
            *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=t={peer}"),
        )
        self.start_api()

    def start_api(self, *flags):
        """The API server alone, on the port that it had; ready when this returns."""
        at = self.folder
        self._run(
            "kube-apiserver",
            *(f"--etcd-servers=http://127.0.0.1:{self._etcd}", "--bind-address=127.0.0.1"),
            *(f"--secure-port={self.port}", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"),
            *("--service-cluster-ip-range=10.0.0.0/16,fd00:10::/112", f"--cert-dir={at}"),
            *(f"--tls-cert-file={at / 'server.crt'}", f"--tls-private-key-file={at / 'server.key'}"),
            *(f"--client-ca-file={at / 'ca.crt'}", f"--token-auth-file={at / 'tokens.csv'}"),
            *("--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc"),
            *(f"--service-account-key-file={at / 'sa.pub'}", f"--service-account-signing-key-file={at / 'sa.key'}"),
            *("--disable-admission-plugins=ServiceAccount", "--enable-priority-and-fairness=false"),
            # otherwise it has its watches break when it is ended, after a minute
            *("--shutdown-watch-termination-grace-period=5s", "--profiling=false", *flags),
        )
        self.until(lambda: self.call("GET", "/readyz", raw=True) == b"ok")

    def start_controllers(self):
        self._run(
            "kube-controller-manager",
            *(f"--kubeconfig={self.kubeconfig()}", "--leader-elect=false", "--bind-address=127.0.0.1"),
            *("--secure-port=0", f"--cert-dir={self.folder}", f"--controllers={','.join(CONTROLLERS)}"),
        )

    def end(self, part, *, kill=False):
        process = self._running.pop(part, None)
        if process is not None:
            (process.kill if kill else process.terminate)()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self):
        for part in reversed(list(self._running)):
            self.end(part, kill=True)

    def compact(self):
        """Forget the past, on etcd's side, up to now."""
        now = self._etcd_call("range", {"key": base64.b64encode(b"/").decode()})["header"]["revision"]
        self._etcd_call("compaction", {"revision": now, "physical": True})

    # --- being asked -------------------------------------------------------------------------------------------------

    def kubeconfig(self, user="admin", **cluster):
        """The path of a kubeconfig in which this user has a token."""
        return self.write_kubeconfig(f"kubeconfig-{user}", {"token": f"{user}-token"}, **cluster)

    def write_kubeconfig(self, name, user, **cluster):
        authority = base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()
        path = self.folder / name
        of_cluster = {"server": self.url, "certificate-authority-data": authority, **cluster}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": [{"name": "test", "cluster": of_cluster}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "u"}}],
                    "users": [{"name": "u", "user": user}],
                }
            )
        )
        return path

    def certificate_user(self):
        """What a kubeconfig says of a user with a client certificate, by relative paths."""
        return {"client-certificate": "admin.crt", "client-key": "admin.key"}

    def call(self, method, path, body=None, *, content_type="application/json", raw=False):
        """What the API server answers to the admin.

        Raises AssertionError with what it says where that is an error.
        """
        request = urllib.request.Request(  # noqa: S310 - the server of this test
            f"{self.url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": "Bearer admin-token", "Content-Type": content_type},
        )
        try:
            with urllib.request.urlopen(request, context=self.tls(), timeout=20) as answer:  # noqa: S310
                answered = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code}: {error.read().decode()[:500]}") from error
        return answered if raw else json.loads(answered)

    def create_all(self, path, bodies):
        """Create many objects, over one connection.

        Raises AssertionError with what the API server says where it refuses one.
        """
        headers = {"Authorization": "Bearer admin-token", "Content-Type": "application/json"}
        with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls())) as connection:
            for body in bodies:
                connection.request("POST", path, json.dumps(body), headers)
                answer = connection.getresponse()
                said = answer.read()
                assert answer.status == 201, f"POST {path}: {answer.status}: {said.decode()[:500]}"

    def tls(self):
        """By which the API server is known."""
        return ssl.create_default_context(cafile=str(self.folder / "ca.crt"))

    # --- inside ------------------------------------------------------------------------------------------------------

    def _run(self, part, *arguments):
        with (self.folder / f"{part}.log").open("ab") as log:
            self._running[part] = subprocess.Popen(
                [self._binary, part, *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def until(self, looks, part="kube-apiserver"):
        """Wait until what `looks` asks of a part is true."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(AssertionError, OSError):
                if looks():
                    return
            tail = (self.folder / f"{part}.log").read_text()[-1000:]
            assert self._running[part].poll() is None, f"{part} ended: {tail}"
            assert time.monotonic() < deadline, f"{part} is not ready: {tail}"
            time.sleep(0.05)

    def _etcd_call(self, method, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._etcd}/v3/kv/{method}", data=json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return json.loads(answer.read())

    def _write_files(self):
        at = self.folder
        authority = trustme.CA()
        authority.cert_pem.write_to_path(at / "ca.crt")
        names = ("127.0.0.1", "localhost", "kubernetes.default.svc")
        _write(at / "server", authority.issue_cert(*names, common_name="kube-apiserver"))
        _write(
            at / "admin", authority.issue_cert("admin.example", common_name="admin", organization_name="system:masters")
        )
        signing = rsa.generate_private_key(65537, 2048)
        (at / "sa.key").write_bytes(
            signing.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        (at / "sa.pub").write_bytes(
            signing.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        lines = [f'{name}-token,{name},{name},"{group}"\n' for name, group in USERS.items()]
        (at / "tokens.csv").write_text("".join(lines))


def _write(path, issued):
    issued.private_key_pem.write_to_path(path.with_suffix(".key"))
    path.with_suffix(".crt").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
