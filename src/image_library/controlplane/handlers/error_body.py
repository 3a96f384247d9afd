"""An error as a plain HTTP answer in Connect's JSON form, for what is refused before it reaches an RPC."""

from __future__ import annotations

import base64
import json

from starlette.responses import Response

from image_library.domain.errors import LibraryError
from image_library.wire.errors import CODES, details


def error_response(error: LibraryError, status: int) -> Response:
    """Source: https://connectrpc.com/docs/protocol#error-end-stream."""
    body = {
        "code": CODES[error.kind][0].value,
        "message": str(error),
        "details": [
            {
                "type": type(detail).desc().type_name,
                "value": base64.b64encode(detail.to_binary()).decode().rstrip("="),
            }
            for detail in details(error)
        ],
    }
    return Response(json.dumps(body), status_code=status, media_type="application/json")
