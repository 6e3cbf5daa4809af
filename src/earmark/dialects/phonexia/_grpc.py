"""The gRPC services of the vendor's microservices, all at one port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from phonexia.grpc.technologies.gender_identification.v1 import (
    gender_identification_pb2_grpc as genders,
)
from phonexia.grpc.technologies.speaker_diarization.v1 import speaker_diarization_pb2_grpc as turns
from phonexia.grpc.technologies.speaker_identification.v1 import (
    speaker_identification_pb2_grpc as voices,
)
from phonexia.grpc.technologies.voice_activity_detection.v1 import (
    voice_activity_detection_pb2_grpc as speech,
)

from earmark.dialects.phonexia._analyses import SpeakerDiarization, VoiceActivityDetection
from earmark.dialects.phonexia._extraction import VoiceprintExtraction
from earmark.dialects.phonexia._genders import GenderIdentification
from earmark.dialects.phonexia._voiceprints import (
    VoiceprintComparison,
    VoiceprintConversion,
    VoiceprintMerging,
)
from earmark.service import Service

if TYPE_CHECKING:
    import grpc

__all__ = ["grpc_services"]

_PACKAGE: Final = "phonexia.grpc.technologies"


def grpc_services(server: grpc.aio.Server, service: Service) -> tuple[str, ...]:
    """Add the services to ``server``; their full names."""
    turns.add_SpeakerDiarizationServicer_to_server(SpeakerDiarization(service), server)
    speech.add_VoiceActivityDetectionServicer_to_server(VoiceActivityDetection(service), server)
    voices.add_VoiceprintExtractionServicer_to_server(VoiceprintExtraction(service), server)
    voices.add_VoiceprintComparisonServicer_to_server(VoiceprintComparison(service), server)
    voices.add_VoiceprintMergingServicer_to_server(VoiceprintMerging(service), server)
    voices.add_VoiceprintConversionServicer_to_server(VoiceprintConversion(service), server)
    genders.add_GenderIdentificationServicer_to_server(GenderIdentification(service), server)
    return (
        f"{_PACKAGE}.speaker_diarization.v1.SpeakerDiarization",
        f"{_PACKAGE}.voice_activity_detection.v1.VoiceActivityDetection",
        f"{_PACKAGE}.speaker_identification.v1.VoiceprintExtraction",
        f"{_PACKAGE}.speaker_identification.v1.VoiceprintComparison",
        f"{_PACKAGE}.speaker_identification.v1.VoiceprintMerging",
        f"{_PACKAGE}.speaker_identification.v1.VoiceprintConversion",
        f"{_PACKAGE}.gender_identification.v1.GenderIdentification",
    )
