"""Whether it is the account's owner who asks, where ministack's own services are not asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote

from fairway.cloud.control.settings import CloudSettings


def is_owner(scope: Mapping[str, Any], settings: CloudSettings) -> bool:
    """Whether the project's own key signed a request without a body, for any service.

    scope: ASGI's. Call after `identity.guard_identity`.
    """
    from ministack.core import iam_evaluator

    path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    iam_evaluator.pin_signed_request(
        scope["method"], path.decode("latin-1"), query, scope["headers"]
    )
    iam_evaluator.pin_signed_body(b"")
    found = iam_evaluator.authenticate(settings.access_key, settings.account)
    return isinstance(found, iam_evaluator.ResolvedCredential)
