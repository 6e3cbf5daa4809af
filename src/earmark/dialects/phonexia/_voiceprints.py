"""Calls about voiceprints alone: to compare them, to merge them, to have their numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from phonexia.grpc.common.core_pb2 import Matrix, Vector
from phonexia.grpc.common.core_pb2 import Voiceprint as PortableVoiceprint
from phonexia.grpc.technologies.speaker_identification.v1 import speaker_identification_pb2 as pb
from phonexia.grpc.technologies.speaker_identification.v1.speaker_identification_pb2_grpc import (
    VoiceprintComparisonServicer,
    VoiceprintConversionServicer,
    VoiceprintMergingServicer,
)

from earmark.dialects._grpc import Context, admit, at_length, refusing, run_sync
from earmark.dialects.phonexia._durations import duration
from earmark.dialects.phonexia._lists import MAX_LIST, MAX_SCORES
from earmark.dialects.phonexia._room import Room
from earmark.dialects.phonexia._sound import patiently
from earmark.errors import InvalidInput, VoiceprintError
from earmark.service import Scope, Service
from earmark.voiceprints import Voiceprint, require_model

__all__ = ["VoiceprintComparison", "VoiceprintConversion", "VoiceprintMerging", "read_prints"]

VALUES_AT_ONCE: Final = 1 << 16
"""Scores in one response: 256 KiB, where clients take 4 MiB."""

VECTORS_AT_ONCE: Final = 1024


class VoiceprintComparison(VoiceprintComparisonServicer):
    """Each voiceprint of one list against each of another."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._room = Room()

    async def Compare(
        self, request_iterator: AsyncIterator[pb.CompareRequest], context: Context
    ) -> AsyncIterator[pb.CompareResponse]:
        """Answer when both lists are there: row i is ``voiceprints_a[i]``, column j is of b.

        The first response says how many rows and columns there are, row by row in all of them.
        """
        service = self._service
        async with refusing(context):
            caller = await admit(service, context, "phonexia Compare", Scope.JOBS, anonymous=True)
            a: list[Voiceprint] = []
            b: list[Voiceprint] = []
            with self._room.share() as share:
                async for request in patiently(request_iterator):
                    share.take(request.ByteSize())
                    for name, sent, known in (
                        ("voiceprints_a", request.voiceprints_a, a),
                        ("voiceprints_b", request.voiceprints_b, b),
                    ):
                        known += await run_sync(read_prints, sent, name, len(known))
                        _require_few(len(known), name)
                _require_comparable(len(a), len(b))
                llr = await at_length(caller, service.search.calibration.compare, a, b)
            for response in _matrix(llr):
                yield response


class VoiceprintMerging(VoiceprintMergingServicer):
    """Several voiceprints of one person as one."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def Merge(self, request: pb.MergeRequest, context: Context) -> pb.MergeResponse:
        """Answer with their mean, weighted by how much speech each was made of."""
        async with refusing(context):
            await admit(self._service, context, "phonexia Merge", Scope.JOBS, anonymous=True)
            merged, content = await run_sync(_merge, request)
        return pb.MergeResponse(
            speech_length=duration(merged.net_speech_s),
            voiceprint=PortableVoiceprint(content=content),
        )


class VoiceprintConversion(VoiceprintConversionServicer):
    """The numbers of voiceprints, for a database of vectors."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def Convert(
        self, request_iterator: AsyncIterator[pb.ConvertRequest], context: Context
    ) -> AsyncIterator[pb.ConvertResponse]:
        """Answer each request as it comes."""
        async with refusing(context):
            await admit(self._service, context, "phonexia Convert", Scope.JOBS, anonymous=True)
            known = 0
            async for request in patiently(request_iterator):
                prints = await run_sync(read_prints, request.voiceprints, "voiceprints", known)
                known += len(prints)
                for first in range(0, len(prints), VECTORS_AT_ONCE):
                    some = prints[first : first + VECTORS_AT_ONCE]
                    yield pb.ConvertResponse(
                        vector_voiceprints=[Vector(values=each.vector) for each in some]
                    )
            if not known:
                raise InvalidInput("The call brought no voiceprints: send some.")


def read_prints(sent: Iterable[PortableVoiceprint], name: str, before: int = 0) -> list[Voiceprint]:
    """The voiceprints of the list ``name``, of which ``before`` came with earlier requests.

    Raises `VoiceprintError`, which names the first one that cannot be used.
    """
    read = []
    for i, each in enumerate(sent, before):
        try:
            read.append(require_model(Voiceprint.from_bytes(each.content)))
        except VoiceprintError as error:
            raise type(error)(f"{name}[{i}]: {error}") from error
    return read


def _merge(request: pb.MergeRequest) -> tuple[Voiceprint, bytes]:
    """Raises `InvalidInput` for no voiceprints, and for such as cannot be used or merged."""
    prints = read_prints(request.voiceprints, "voiceprints")
    if not prints:
        raise InvalidInput("The call brought no voiceprints: send those of one person.")
    merged = Voiceprint.mean(prints)
    return merged, merged.to_bytes()


def _require_few(number: int, name: str) -> None:
    if number > MAX_LIST:
        raise InvalidInput(f"{name} has more than {MAX_LIST} voiceprints: send fewer.")


def _require_comparable(a: int, b: int) -> None:
    if not (a and b):
        raise InvalidInput(
            f"There are {a} voiceprints in voiceprints_a and {b} in voiceprints_b: send one or more"
            " in each."
        )
    if a * b > MAX_SCORES:
        raise InvalidInput(
            f"These are {a * b} comparisons, and {MAX_SCORES} are made at most: send fewer"
            " voiceprints."
        )


def _matrix(llr: NDArray[np.float64]) -> Iterator[pb.CompareResponse]:
    """The scores [rows, columns], in responses of a size that every client takes."""
    values = llr.astype(np.float32).ravel()
    rows, columns = llr.shape
    for first in range(0, len(values), VALUES_AT_ONCE):
        some = values[first : first + VALUES_AT_ONCE]
        size = {} if first else {"rows_count": rows, "columns_count": columns}
        yield pb.CompareResponse(scores=Matrix(values=some, **size))
