"""Starts Azurite, Microsoft's emulator of blob storage, and uses it as the storage of the emulated workspace."""

import datetime
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from azureml_emulator.identity import token
from azureml_emulator.storage import HIDDEN, VERSION, BlobStorage
from azureml_emulator.transport import Request, Response

# Azurite's own account; its key is public.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
PASSED_ON = ("content-type", "range", "if-none-match", "x-ms-")


def install(folder: Path) -> Path:
    """Install Azurite into a folder and return the path of its program."""
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(folder), "azurite@3"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "node_modules" / ".bin" / "azurite-blob"


@contextmanager
def serving(program: Path, folder: Path, *options: str, account: str = ACCOUNT) -> Iterator[int]:
    """Serve blob storage and return the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(program), "--blobPort", str(port), "--silent", "--inMemoryPersistence", "--skipApiVersionCheck"]
    process = subprocess.Popen(
        [*command, "--disableTelemetry", *options],
        cwd=folder,
        env=os.environ | {"AZURITE_ACCOUNTS": f"{account}:{KEY}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < until and process.poll() is None, "Azurite does not come up"
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait()


def certificate(folder: Path) -> list[str]:
    """Write a certificate for this machine and return the options with which Azurite accepts tokens."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    signed = builder.not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "cert.pem").write_bytes(signed.public_bytes(encoding))
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return ["--oauth", "basic", "--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem")]


class AzuriteStorage:
    """Forwards the workspace's blob requests to Azurite, over HTTPS.

    Each write is also applied to the folders of the emulator's storage. Files that jobs and endpoints write into these
    folders are copied to Azurite before the next request.
    """

    def __init__(self, folders: BlobStorage, account: str, port: int):
        self._folders, self._account = folders, account
        self._http = httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=False, trust_env=False, timeout=60)
        self._known: dict[Path, int] = {}
        self._containers: set[str] = set()
        self.answered = 0

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        self._follow()
        container = request.path.lstrip("/").partition("/")[0]
        self._ensure(container)
        query = {key: value for key, value in request.query.items() if key in ("comp", "restype", "blockid", "prefix",
                 "delimiter", "marker", "maxresults", "include")}  # fmt: skip
        headers = {key: value for key, value in request.headers.items() if key.lower().startswith(PASSED_ON)}
        answer = self._send(request.method, request.path, query, headers, request.body)
        self.answered += 1
        if request.method in ("PUT", "DELETE") and answer.status < 300:
            self._folders(request)
            self._remember()
        return answer

    def _send(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes = b""
    ) -> Response:
        signed = {"Authorization": f"Bearer {token('workflow', 'https://storage.azure.com')}", "x-ms-version": VERSION}
        answer = self._http.request(
            method, f"/{self._account}{quote(path)}", params=query, headers=headers | signed, content=body
        )
        kept = {key: value for key, value in answer.headers.items() if key != "transfer-encoding"}
        return Response(answer.status_code, kept, b"" if method == "HEAD" else answer.content)

    def _ensure(self, container: str) -> None:
        if container not in self._containers:
            self._send("PUT", f"/{container}", {"restype": "container"}, {})
            self._containers.add(container)

    def _follow(self) -> None:
        """Hand on what was written into the folders since the last request."""
        root = self._folders.folder("")
        for file in self._files():
            if self._known.get(file) != file.stat().st_mtime_ns:
                name = file.relative_to(root).as_posix()
                self._ensure(name.partition("/")[0])
                put = self._send("PUT", f"/{name}", {}, {"x-ms-blob-type": "BlockBlob"}, file.read_bytes())
                assert put.status == 201, put
        self._remember()

    def _remember(self) -> None:
        self._known = {file: file.stat().st_mtime_ns for file in self._files()}

    def _files(self) -> list[Path]:
        root = self._folders.folder("")
        return [file for file in root.rglob("*") if file.is_file() and HIDDEN not in file.parts]


def node_is_there() -> bool:
    """Return whether this machine can install and run Azurite."""
    return bool(shutil.which("npm") and shutil.which("node"))
