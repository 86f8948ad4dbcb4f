"""A refused request is told with AWS's words, and who lacks a permission learns where to get it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from fairway.aws.endpoint import explain_no_answer


@pytest.mark.parametrize(
    ("code", "is_denied"),
    [("AccessDenied", True), ("UnauthorizedOperation", True), ("NoSuchBucket", False)],
)
def test_a_refusal_in_words(code: str, is_denied: bool) -> None:
    answer = {"Error": {"Code": code, "Message": "not like this"}}
    error = explain_no_answer(ClientError(answer, "PutObject"))  # type: ignore[arg-type]
    assert str(error) == "a request was refused: not like this"
    assert ("policy deploy" in str(error.hint)) is is_denied
