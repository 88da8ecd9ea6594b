"""Emulates blob storage by its REST API, in folders: one folder per container, with the blobs as files.

It supports Put Blob, Get Blob with ranges, Get Blob Properties, Set Blob Metadata, Delete Blob, List Blobs with prefix,
delimiter, marker and maxresults, Put Block, Put Block List and Append Block. An account without keys refuses a shared
key, as `allowSharedKeyAccess: false` does. Source: https://learn.microsoft.com/rest/api/storageservices
"""

import base64
import hashlib
import json
import os
import re
import shutil
import tempfile
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from azureml_emulator.answers import Refused
from azureml_emulator.transport import Request, Response

VERSION = "2025-05-05"
HIDDEN = ".emulator"


class BlobStorage:
    """One storage account in a folder. A container exists as soon as it has content."""

    def __init__(self, root: Path, page: int = 5000):
        self._root, self._page = root, page

    def folder(self, container: str) -> Path:
        """Return the folder that holds a container's blobs as files."""
        return self._root / container

    def at(self, address: str) -> Path:
        """Return the folder or file of `https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH`."""
        container, _, path = address.partition(".blob.core.windows.net/")[2].partition("/")
        return self.folder(container) / path

    def __call__(self, request: Request) -> Response:
        """Answer a request to `ACCOUNT.blob.core.windows.net`."""
        try:
            return self._answer(request)
        except Refused as refused:
            return refused.as_xml(request.method)
        except OSError as error:
            # Such as a full disk.
            message = f"{error.filename or 'A file'}: {error.strerror or error}"
            return Refused(400, "EmulatorError", message).as_xml(request.method)

    def _answer(self, request: Request) -> Response:
        container, _, name = request.path.lstrip("/").partition("/")
        folder = self.folder(container)
        delegated = "skoid" in request.query
        if request.headers.get("Authorization", "").startswith("SharedKey") or (
            "sig" in request.query and not delegated
        ):
            message = "Key based authentication is not permitted on this storage account."
            raise Refused(403, "KeyBasedAuthenticationNotPermitted", message)
        if not delegated and not request.headers.get("Authorization", "").startswith("Bearer "):
            message = "Server failed to authenticate the request."
            raise Refused(401, "NoAuthenticationInformation", message)
        if not name:
            return self._container(request, folder, container)
        return self._blob(request, folder, name)

    def _container(self, request: Request, folder: Path, container: str) -> Response:
        if request.query.get("comp") == "list":
            return Response(200, {"Content-Type": "application/xml"}, self._list(folder, container, request).encode())
        if request.method in ("GET", "HEAD") and request.query.get("restype") == "container":
            if not folder.is_dir():
                raise Refused(404, "ContainerNotFound", "The specified container does not exist.")
            return Response(200, {"ETag": '"0x1"', "Last-Modified": formatdate(usegmt=True), "x-ms-version": VERSION})
        if request.method == "PUT" and request.query.get("restype") == "container":
            folder.mkdir(parents=True, exist_ok=True)
            return Response(201, {"ETag": '"0x1"', "Last-Modified": formatdate(usegmt=True), "x-ms-version": VERSION})
        raise Refused(400, "UnsupportedOperation", f"The emulator does not know {request.method} {request.url}.")

    def _blob(self, request: Request, folder: Path, name: str) -> Response:
        file = folder / name
        operation = (request.method, request.query.get("comp", ""))
        if operation == ("PUT", "block"):
            return self._put_block(folder, name, request)
        if operation == ("PUT", "blocklist"):
            blocks = re.findall(r"<(?:Latest|Committed|Uncommitted)>([^<]*)<", request.body.decode())
            parts = [self._block(folder, name, block).read_bytes() for block in blocks]
            return self._put(file, folder, name, request, b"".join(parts))
        if operation == ("PUT", "appendblock"):
            self._existing(file)
            return self._put(file, folder, name, request, file.read_bytes() + request.body)
        if operation == ("PUT", ""):
            if request.headers.get("If-None-Match") == "*" and file.is_file():
                raise Refused(409, "BlobAlreadyExists", "The specified blob already exists.")
            return self._put(file, folder, name, request, request.body)
        self._existing(file)
        if operation == ("PUT", "metadata"):
            self._set_metadata(folder, name, request)
            return Response(200, self._facts(file, folder, name))
        if operation == ("DELETE", ""):
            file.unlink()
            self._notes(folder, name).unlink(missing_ok=True)
            return Response(202, {"x-ms-version": VERSION})
        if operation in (("HEAD", ""), ("HEAD", "metadata"), ("GET", "metadata")):
            size = {"Content-Length": str(file.stat().st_size)}
            return Response(200, self._facts(file, folder, name) | size)
        if operation == ("GET", ""):
            return self._get(file, folder, name, request)
        raise Refused(400, "UnsupportedOperation", f"The emulator does not know {request.method} {request.url}.")

    def _existing(self, file: Path) -> None:
        if not file.is_file():
            raise Refused(404, "BlobNotFound", "The specified blob does not exist.")

    def _put_block(self, folder: Path, name: str, request: Request) -> Response:
        block = self._block(folder, name, request.query["blockid"])
        block.parent.mkdir(parents=True, exist_ok=True)
        block.write_bytes(request.body)
        return Response(201, {"x-ms-version": VERSION, "x-ms-request-server-encrypted": "true"})

    def _block(self, folder: Path, name: str, block: str) -> Path:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        return folder / HIDDEN / "blocks" / digest / base64.b16encode(block.encode()).decode()

    def _put(self, file: Path, folder: Path, name: str, request: Request, body: bytes) -> Response:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, writing = tempfile.mkstemp(dir=self._hidden(folder))
        with os.fdopen(handle, "wb") as stream:
            stream.write(body)
        Path(writing).replace(file)
        shutil.rmtree(self._block(folder, name, "").parent, ignore_errors=True)
        self._set_metadata(folder, name, request)
        return Response(201, self._facts(file, folder, name))

    def _get(self, file: Path, folder: Path, name: str, request: Request) -> Response:
        content, facts = file.read_bytes(), self._facts(file, folder, name)
        wanted = request.headers.get("x-ms-range") or request.headers.get("Range")
        if not wanted:
            return Response(200, facts | {"Content-Length": str(len(content))}, content)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        if int(first) >= len(content):
            message = "The range specified is invalid for the current size of the resource."
            raise Refused(416, "InvalidRange", message, {"Content-Range": f"bytes */{len(content)}"})
        part = content[int(first) : int(last or len(content)) + 1]
        span = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        return Response(206, facts | {"Content-Range": span, "Content-Length": str(len(part))}, part)

    def _facts(self, file: Path, folder: Path, name: str) -> dict[str, str]:
        changed = file.stat()
        facts = {
            "ETag": f'"{changed.st_mtime_ns:#x}"',
            "Last-Modified": formatdate(changed.st_mtime, usegmt=True),
            "x-ms-blob-type": "BlockBlob",
            "x-ms-version": VERSION,
            "x-ms-request-server-encrypted": "true",
        }
        notes = self._notes(folder, name)
        metadata = json.loads(notes.read_text()) if notes.exists() else {}
        return facts | {f"x-ms-meta-{key}": value for key, value in metadata.items()}

    def _set_metadata(self, folder: Path, name: str, request: Request) -> None:
        headers = {key.lower(): value for key, value in request.headers.items()}
        metadata = {
            key.removeprefix("x-ms-meta-"): value for key, value in headers.items() if key.startswith("x-ms-meta-")
        }
        notes = self._notes(folder, name)
        if metadata:
            notes.parent.mkdir(parents=True, exist_ok=True)
            notes.write_text(json.dumps(metadata))
        else:
            notes.unlink(missing_ok=True)

    def _notes(self, folder: Path, name: str) -> Path:
        return folder / HIDDEN / "metadata" / quote(name, safe="")

    def _hidden(self, folder: Path) -> Path:
        (folder / HIDDEN).mkdir(parents=True, exist_ok=True)
        return folder / HIDDEN

    def _list(self, folder: Path, container: str, request: Request) -> str:
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
        start = folder / prefix.rpartition("/")[0]
        found = set()
        for file in start.rglob("*"):
            name = file.relative_to(folder).as_posix()
            if file.is_file() and name.startswith(prefix) and not name.startswith(HIDDEN):
                rest = name[len(prefix) :]
                inner, cut, _ = rest.partition(delimiter) if delimiter else (rest, "", "")
                found.add(prefix + inner + cut)
        names = sorted(name for name in found if name > unquote(request.query.get("marker", "")))
        page = min(int(request.query.get("maxresults") or self._page), self._page)
        marker = quote(names[page - 1]) if len(names) > page else ""
        # The SDK requests the next page with the number that this one returns.
        entries = "".join(self._entry(folder, name, delimiter) for name in names[:page])
        return (
            '<?xml version="1.0" encoding="utf-8"?>'
            f'<EnumerationResults ContainerName="{escape(container)}"><Prefix>{escape(prefix)}</Prefix>'
            f"<MaxResults>{page}</MaxResults><Blobs>{entries}</Blobs><NextMarker>{escape(marker)}</NextMarker></EnumerationResults>"
        )

    def _entry(self, folder: Path, name: str, delimiter: str) -> str:
        if delimiter and name.endswith(delimiter):
            return f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>"
        status = (folder / name).stat()
        return (
            f"<Blob><Name>{escape(name)}</Name><Properties>"
            f"<Last-Modified>{formatdate(status.st_mtime, usegmt=True)}</Last-Modified>"
            f"<Etag>{status.st_mtime_ns:#x}</Etag><Content-Length>{status.st_size}</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
        )
