"""Builds the answers of Azure's services: JSON of Resource Manager, XML of storage, and refusals."""

import json
from typing import Any
from xml.sax.saxutils import escape

from azureml_emulator.transport import Response

REQUEST_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


class Refused(Exception):
    """A refusal, raised in place of an answer."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}

    def as_json(self) -> Response:
        """Return it in the format of Resource Manager and Azure ML."""
        return answer(self.status, {"error": {"code": self.code, "message": self.message}}, **self.headers)

    def as_xml(self, method: str) -> Response:
        """Return it in the format of storage: a HEAD has no body, so the code is also a header."""
        text = (
            '<?xml version="1.0" encoding="utf-8"?>'
            f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}\nRequestId:{REQUEST_ID}</Message></Error>"
        )
        headers = {"Content-Type": "application/xml", "x-ms-error-code": self.code, **self.headers}
        return Response(self.status, headers, b"" if method == "HEAD" else text.encode())


def answer(status: int, content: Any = None, **headers: str) -> Response:
    """Return an answer with a JSON body, or without one."""
    body = b"" if content is None else json.dumps(content).encode()
    known = {"Content-Type": "application/json; charset=utf-8", "x-ms-request-id": REQUEST_ID}
    return Response(status, {**known, "Content-Length": str(len(body)), **headers}, body)


def not_found(kind: str, name: str) -> Refused:
    """Return the refusal of an Azure ML asset or resource that does not exist."""
    return Refused(404, "UserError", f"{kind} {name} was not found.")
