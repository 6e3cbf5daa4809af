"""What a job's analysis comes to: the result document, or that there is more to wait for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from earmark.diarization import Diarization
from earmark.errors import NotFound, TooLittleSpeech, VoiceprintError
from earmark.service._identification import (
    Comparison,
    Identification,
    Voices,
    identify_speakers,
)
from earmark.service._model import Caller, IdentifyOptions, Job, JobKind, Scope
from earmark.service._speaker_voiceprints import VOICEPRINT
from earmark.service._voiceprint_genders import VoiceprintGenders
from earmark.storage import job_voiceprints
from earmark.traits import gender_of
from earmark.voiceprints import Voiceprint, require_model

if TYPE_CHECKING:
    from earmark.service._service import Service

__all__ = ["Concluded", "Conclusions", "NotYet", "caller_of"]

_NEEDED_S = 1.0  # of clear speech, for a voiceprint that is given out


@dataclass(frozen=True, kw_only=True, slots=True)
class Concluded:
    """The result document (JSON); ``sealed`` says that it must be encrypted with the job's key."""

    document: bytes = field(repr=False)
    sealed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class NotYet:
    """A job that listens to a call needs more sound than has come.

    It is looked at again when the call has more than ``heard`` pieces of sound or has ended, at
    the latest at ``until_s`` (seconds since 1970).
    """

    heard: int
    until_s: float


def caller_of(job: Job) -> Caller:
    """On whose behalf a job is run."""
    return Caller(
        tenant_id=job.tenant_id,
        key_id=job.key_id,
        scopes=frozenset({Scope.JOBS, Scope.GALLERIES}),
    )


class Conclusions:
    """What is made of an analysis, by the job's kind."""

    def __init__(self, service: Service) -> None:
        self._service, self._store = service, service.store

    def of(self, job: Job, document: bytes) -> Concluded:
        """The result of a job whose recording the engine has analysed.

        ``document`` is the engine's: a diarization, with voiceprints if the job asked for them, or
        speech activity. Raises `TooLittleSpeech`, `VoiceprintError`, `NotFound`, and what storage
        raises.
        """
        if job.kind is JobKind.IDENTIFY:
            return Concluded(document=self._identify(job, Diarization.from_json(document)))
        if job.kind is JobKind.VOICEPRINT:
            voices = _heard(Voices.of(Diarization.from_json(document)))
            return Concluded(document=voices.to_json(), sealed=True)
        if job.options.voiceprints:
            diarization = Diarization.from_json(document)
            self._keep(job, diarization)
            document = diarization.to_json(
                compact=True, voiceprints=False, frame_confidence=job.options.frame_confidence
            ).encode()
        return Concluded(document=document)

    def of_voiceprints(self, job: Job) -> Concluded:
        """The result of a job that came with voiceprints in place of a recording.

        Raises `VoiceprintError`.
        """
        sent = self._sent(job)
        if job.kind is JobKind.GENDER:
            prints = _voiceprints(sent["voiceprints"], "voiceprints")
            genders = VoiceprintGenders(genders=tuple(map(gender_of, prints)))
            return Concluded(document=genders.to_json())
        a, b = (_voiceprints(sent[name], name) for name in ("a", "b"))
        llr = self._service.search.calibration.compare(a, b)
        return Concluded(document=Comparison(llr=llr).to_json())

    def _identify(self, job: Job, diarization: Diarization) -> bytes:
        self._keep(job, diarization)
        sent = self._sent(job)["voiceprints"] if job.sealed_blob else []
        prints = _voiceprints([each["voiceprint"] for each in sent], "voiceprints")
        identification = identify_speakers(
            self._service.search,
            caller_of(job),
            diarization,
            job.options.identify or IdentifyOptions(),
            sent=[(each["label"], print_) for each, print_ in zip(sent, prints, strict=True)],
        )
        self._note_matches(job, identification)
        return identification.to_json(frame_confidence=job.options.frame_confidence)

    def _note_matches(self, job: Job, identification: Identification) -> None:
        """Note whom of a gallery the speakers were taken for, so that these are found there."""
        matched = [
            {
                "job_id": job.id,
                "speaker": each.speaker,
                "speaker_id": match.speaker_id,
                "cosine": match.cosine,
                "llr": match.llr,
                "probability": match.probability,
            }
            for each in identification.speakers
            if (match := each.named.match) is not None and match.speaker_id is not None
        ]
        with self._store.database.write() as connection:
            job_voiceprints.replace_matches(connection, job.id, matched)

    def _keep(self, job: Job, diarization: Diarization) -> None:
        """Keep the voices of a recording that is to be searchable, sealed with the job's key."""
        if not job.options.searchable:
            return
        now = time.time()
        sealed = [
            {
                "job_id": job.id,
                "speaker": speaker,
                "tenant_id": job.tenant_id,
                "model": voiceprint.model,
                "net_speech_s": voiceprint.net_speech_s,
                "quality": voiceprint.quality,
                "sealed": self._store.vault.seal(job.id, voiceprint.to_bytes(), purpose=VOICEPRINT),
                "created_at": now,
                "expires_at": None,
            }
            for speaker, voiceprint in diarization.voiceprints.items()
        ]
        with self._store.database.write() as connection:
            job_voiceprints.replace(connection, job.id, sealed)

    def _sent(self, job: Job) -> Mapping[str, Any]:
        """What came with the request and was sealed."""
        if job.sealed_blob is None:
            raise NotFound("What came with the request is not kept any more.")
        sealed = self._store.blobs.get(job.sealed_blob)
        sent: dict[str, Any] = json.loads(self._store.vault.open(job.id, sealed, purpose="request"))
        return sent


def _voiceprints(texts: list[str], where: str) -> list[Voiceprint]:
    """Read portable voiceprints; what is wrong with one names its place."""
    read = []
    for i, text in enumerate(texts):
        try:
            voiceprint = require_model(Voiceprint.from_base64(text))
        except VoiceprintError as error:
            raise type(error)(f"{where}[{i}]: {error}") from error
        read.append(voiceprint)
    return read


def _heard(voices: Voices) -> Voices:
    """The voices, of which one at least is heard for long enough. Raises `TooLittleSpeech`."""
    most = max((each.voiceprint.net_speech_s for each in voices.voices), default=0.0)
    if most < _NEEDED_S:
        raise TooLittleSpeech(
            f"There are {most:.1f} s of one person's clear speech, but {_NEEDED_S:.1f} s are"
            " needed: send a longer recording.",
            net_speech_s=most,
            needed_s=_NEEDED_S,
        )
    return voices
