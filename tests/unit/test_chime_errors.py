"""Refusals against the vendor's own model of its exceptions."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from earmark.dialects.chime._errors import _BY_KIND, _NO_CONSENT
from earmark.errors import Kind


@pytest.fixture(scope="module")
def model() -> Any:
    return botocore.session.get_session().get_service_model("chime-sdk-voice")


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_error_is_a_typed_exception_with_its_status(model: Any, kind: Kind) -> None:
    status, exception, code = _BY_KIND[kind]
    shape = model.shape_for(exception)
    assert shape.metadata["exception"]
    assert shape.metadata["error"]["httpStatusCode"] == status
    assert code in model.shape_for("ErrorCode").enum


def test_missing_consent_is_told_apart_from_a_missing_scope(model: Any) -> None:
    status, exception, code = _NO_CONSENT
    assert model.shape_for(exception).metadata["error"]["httpStatusCode"] == status == 403
    assert (exception, code) != _BY_KIND[Kind.FORBIDDEN][1:]
    declared = {shape.name for shape in model.operation_model("CreateVoiceProfile").error_shapes}
    assert exception in declared
