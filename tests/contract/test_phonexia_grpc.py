"""Phonexia's gRPC services, asked by the vendor's command-line clients and by their own stubs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from phonexia.grpc.common.core_pb2 import Audio, RawAudioConfig, TimeRange
from phonexia.grpc.common.core_pb2 import Voiceprint as Portable
from phonexia.grpc.technologies.gender_identification.v1.gender_identification_pb2 import (
    IdentifyRequest,
)
from phonexia.grpc.technologies.gender_identification.v1.gender_identification_pb2_grpc import (
    GenderIdentificationStub,
)
from phonexia.grpc.technologies.speaker_diarization.v1.speaker_diarization_pb2 import (
    DiarizeConfig,
    DiarizeRequest,
)
from phonexia.grpc.technologies.speaker_diarization.v1.speaker_diarization_pb2_grpc import (
    SpeakerDiarizationStub,
)
from phonexia.grpc.technologies.speaker_identification.v1 import speaker_identification_pb2 as pb
from phonexia.grpc.technologies.speaker_identification.v1 import (
    speaker_identification_pb2_grpc as voices,
)
from phonexia.grpc.technologies.voice_activity_detection.v1 import (
    voice_activity_detection_pb2_grpc as activity,
)
from phonexia.grpc.technologies.voice_activity_detection.v1.voice_activity_detection_pb2 import (
    DetectRequest,
)

from audio_samples import make
from earmark.diarization import Diarization
from earmark.service import Scope
from earmark.traits import gender_of
from earmark.voiceprints import Calibration, Voiceprint
from people import RATE, People, wav_of
from phonexia_clients import Clients
from server import Server, running
from waiting import until

MAX_BYTES = 2_000_000
DIARIZATION, ACTIVITY = "speaker_diarization", "voice_activity_detection"
EXTRACTION, COMPARISON = "voiceprint_extraction", "voiceprint_comparison"
GENDER = "gender_identification"
HEARD_AT_ONCE_S = 1.024  # of sound, after which is looked whether there is enough speech


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {
        "EARMARK_ANONYMOUS_TENANT": "calls",
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_MAX_UPLOAD_BYTES": str(MAX_BYTES),
    }
    folder = tmp_path_factory.mktemp("phonexia")
    with running(folder, "--no-worker", settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def clients(server: Server) -> Clients:
    return Clients(server.grpc)


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, people: People) -> Path:
    """``june0.wav``, ``june1.wav``, ``carlo0.wav``: people and parts of what they say."""
    folder = tmp_path_factory.mktemp("sound")
    for name, part in (("june", 0), ("june", 1), ("carlo", 0)):
        (folder / f"{name}{part}.wav").write_bytes(people.wav(name, 6.0, part=part))
    return folder


@pytest.fixture(scope="module")
def prints(clients: Clients, folder: Path) -> list[Path]:
    """The voiceprints of the three, as files: each is made in another way."""
    files = [folder / f"{name}.bin" for name in ("june0", "june1", "carlo0")]
    for file, options in zip(files, ([], ["--use-raw-audio"], ["-t", ":5.5"]), strict=True):
        clients.run(EXTRACTION, "-f", "binary", "-o", file, *options, file.with_suffix(".wav"))
    return files


def seconds(text: str) -> float:
    """A duration in protobuf's JSON."""
    return float(text.removesuffix("s"))


def total(segments: list[dict[str, Any]]) -> float:
    return sum(seconds(each["end_time"]) - seconds(each["start_time"]) for each in segments)


def a_print(seed: int = 0, *, model: str = "earmark-1", speech_s: float = 9.0) -> Voiceprint:
    vector = np.random.default_rng(seed).normal(size=448).astype(np.float32)
    return Voiceprint(vector=vector, model=model, net_speech_s=speech_s)


def test_one_person_twice_scores_high_and_two_people_low(
    clients: Clients, prints: list[Path]
) -> None:
    june, again, carlo = prints
    (same,) = clients.told(COMPARISON, "compare", "--files", june, again)["scores"]["values"]
    assert same > 3
    said = clients.run(COMPARISON, "compare", "-f", "text", "--files", june, carlo).decode()
    title, score = said.splitlines()
    assert title == "Score:"
    assert float(score) < -3


def test_rows_are_the_first_list_and_columns_the_second(
    clients: Clients, prints: list[Path], tmp_path: Path
) -> None:
    """REST has it the other way round."""
    june, again, carlo = prints
    lists = {"a": [june, carlo], "b": [again, june, carlo]}
    for name, files in lists.items():
        (tmp_path / name).write_text("\n".join(map(str, files)))
    scores = clients.told(COMPARISON, "compare", "--lists", tmp_path / "a", tmp_path / "b")
    read = {
        name: [Voiceprint.from_bytes(file.read_bytes()) for file in files]
        for name, files in lists.items()
    }
    expected = Calibration.load().compare(read["a"], read["b"])
    assert expected.shape == (2, 3)
    assert not np.allclose(expected.ravel(), expected.T.ravel())
    matrix = scores["scores"]
    assert (matrix["rows_count"], matrix["columns_count"]) == ("2", "3")
    assert np.reshape(matrix["values"], (2, 3)) == pytest.approx(expected, rel=1e-6)


def test_voiceprints_are_merged_and_become_vectors(
    clients: Clients, prints: list[Path], tmp_path: Path
) -> None:
    june, again, _ = prints
    merged = tmp_path / "merged.bin"
    clients.run(COMPARISON, "merge", "-f", "binary", "-o", merged, june, again)
    parts = [Voiceprint.from_bytes(file.read_bytes()) for file in (june, again)]
    assert Voiceprint.from_bytes(merged.read_bytes()) == Voiceprint.mean(parts)
    told = clients.told(COMPARISON, "convert", june, again)
    vectors = [each["values"] for each in told["vector_voiceprints"]]
    assert np.dot(*vectors) == pytest.approx(parts[0].cosine(parts[1]), abs=1e-6)


def test_an_extraction_in_json(clients: Clients, folder: Path, prints: list[Path]) -> None:
    june = folder / "june0.wav"
    whole = clients.told(EXTRACTION, "--enable-vector-voiceprint", june)
    assert seconds(whole["processed_audio_length"]) == 6
    voiceprint = Voiceprint.from_base64(whole["result"]["voiceprint"]["content"])
    assert voiceprint == Voiceprint.from_bytes(prints[0].read_bytes())
    assert seconds(whole["result"]["speech_length"]) == pytest.approx(
        voiceprint.net_speech_s, abs=1e-3
    )
    assert whole["result"]["vector_voiceprint"]["values"] == pytest.approx(voiceprint.vector)
    short = clients.told(EXTRACTION, "--speech-length", "2", "-t", "1:", june)
    assert 1 < seconds(short["result"]["speech_length"]) <= 2
    assert "vector_voiceprint" not in short["result"]


def test_who_speaks_when(clients: Clients, sample_wav: Path, tmp_path: Path) -> None:
    asked = (DIARIZATION, "-t", "12:24", "--total-speakers", "2", sample_wav)
    told = clients.told(*asked)
    assert told["speakers_count"] == 2
    segments = told["segments"]
    assert {each["speaker_id"] for each in segments} == {0, 1}
    assert segments[0]["speaker_id"] == 0
    assert seconds(segments[0]["start_time"]) >= 12
    assert max(seconds(each["end_time"]) for each in segments) <= 24
    assert seconds(told["processed_audio_length"]) == 12
    assert 5 < seconds(told["speech_length"]) <= 12
    rttm = tmp_path / "call.rttm"
    clients.run(*asked, "--use-raw-audio", "-f", "rttm", "-o", rttm)
    found = Diarization.from_rttm(rttm)
    assert [(turn.start, turn.end) for turn in found] == [
        pytest.approx((seconds(each["start_time"]), seconds(each["end_time"])), abs=0.02)
        for each in segments
    ]
    one = clients.run(DIARIZATION, "-t", "12:24", "--max-speakers", "1", "-f", "lab", sample_wav)
    assert {line.split()[2] for line in one.splitlines()} == {b"1"}


def test_where_somebody_speaks(clients: Clients, tmp_path: Path, people: People) -> None:
    pause = np.zeros(2 * RATE, np.int16)
    june = people.samples("june", 3.0)
    file = tmp_path / "june.wav"
    file.write_bytes(wav_of(np.concatenate([pause, june, pause])))
    told = clients.told(ACTIVITY, file)
    assert seconds(told["processed_audio_length"]) == 7
    assert {each["type"] for each in told["segments"]} == {"VOICE"}
    assert seconds(told["speech_length"]) == pytest.approx(total(told["segments"]), abs=0.01)
    assert 1.5 < seconds(told["segments"][0]["start_time"]) < 2.5
    blink = clients.told(ACTIVITY, "-t", "2.5:3.2", file)
    assert (blink["segments"], blink["speech_length"]) == ([], "0s")


def test_what_the_clients_are_told_of_unfit_input(
    clients: Clients, prints: list[Path], tmp_path: Path
) -> None:
    nothing, foreign = tmp_path / "nothing.wav", tmp_path / "foreign.bin"
    nothing.write_bytes(b"")
    said = clients.refused(DIARIZATION, nothing)
    assert "StatusCode.INVALID_ARGUMENT" in said
    assert "The call brought no audio" in said
    foreign.write_bytes(a_print(model="xl-5.4.0").to_bytes())
    said = clients.refused(COMPARISON, "compare", "--files", prints[0], foreign)
    assert "StatusCode.INVALID_ARGUMENT" in said
    assert "voiceprints_b[0]: The voiceprint is of model xl-5.4.0" in said


@pytest.mark.parametrize(
    ("sound", "words"),
    [
        (b"These are only words. " * 500, "is not audio that can be read"),
        (make("flac", 2.0)[:-5000], "is damaged"),
    ],
    ids=["text", "truncated"],
)
def test_unfit_sound_is_refused(channel: grpc.Channel, sound: bytes, words: str) -> None:
    detect = activity.VoiceActivityDetectionStub(channel).Detect
    code, details = code_of(lambda: detect(iter([DetectRequest(audio=Audio(content=sound))])))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert words in details


def test_keys_come_as_metadata(server: Server, channel: grpc.Channel) -> None:
    merge = voices.VoiceprintMergingStub(channel).Merge
    request = pb.MergeRequest(voiceprints=[Portable(content=a_print().to_bytes())])
    for name, key in (("x-api-key", server.new_key("ann")), ("apikey", server.key)):
        assert merge(request, metadata=((name, key),)).voiceprint == request.voiceprints[0]
    listener = server.new_key("ann", (Scope.LIVE,))
    for key, expected in (
        ("em_wrong", grpc.StatusCode.UNAUTHENTICATED),
        (listener, grpc.StatusCode.PERMISSION_DENIED),
    ):
        metadata = (("authorization", f"Bearer {key}"),)
        code, _ = code_of(lambda metadata=metadata: merge(request, metadata=metadata))  # type: ignore[misc]
        assert code is expected


def code_of(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    error: Any = raised.value
    return error.code(), error.details()


def raw(encoding: int, content: bytes, *, rate: int = RATE, channels: int = 1) -> Audio:
    config = RawAudioConfig(sample_rate_hertz=rate, channels=channels)
    config.encoding = encoding  # type: ignore[assignment]
    return Audio(content=content, raw_audio_config=config)


def test_raw_samples_of_every_encoding(channel: grpc.Channel, people: People) -> None:
    """Both channels are mixed; what later messages say of the audio changes nothing."""
    june = people.samples("june", 3.0)
    wav = wav_of(np.stack([june, np.zeros_like(june)], axis=1))
    pcm16 = wav[44:]
    pcm32 = (np.frombuffer(pcm16, "<i2").astype("<i4") << 16).tobytes()
    detect = activity.VoiceActivityDetectionStub(channel).Detect
    expected = detect(iter([DetectRequest(audio=Audio(content=wav))]))
    assert total(MessageToDict(expected, preserving_proto_field_name=True)["segments"]) > 1
    for encoding, content in ((RawAudioConfig.PCM16, pcm16), (RawAudioConfig.PCM32, pcm32)):
        first = raw(encoding, content[:9999], channels=2)
        later = raw(RawAudioConfig.MULAW, content[9999:], rate=48_000)
        requests = [DetectRequest(audio=first), DetectRequest(audio=later)]
        assert detect(iter(requests)) == expected
    for name, encoding in (("wav-mulaw", RawAudioConfig.MULAW), ("wav-alaw", RawAudioConfig.ALAW)):
        file = make(name, 2.0)
        samples = file[file.index(b"data") + 8 :]
        found = detect(iter([DetectRequest(audio=raw(encoding, samples))]))
        assert found == detect(iter([DetectRequest(audio=Audio(content=file))]))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (DiarizeRequest(audio=raw(0, b"12", rate=0)), "0 samples per second"),
        (DiarizeRequest(audio=raw(0, b"12", channels=0)), "0 channels"),
        (DiarizeRequest(audio=raw(9, b"12")), "encoding 9"),
        (
            DiarizeRequest(
                audio=Audio(
                    content=b"12",
                    time_range=TimeRange(start=Duration(seconds=5), end=Duration(seconds=4)),
                )
            ),
            "begins at 5 s",
        ),
        (
            DiarizeRequest(audio=Audio(content=b"12"), config=DiarizeConfig(max_speakers=0)),
            "max_speakers is 0",
        ),
        (
            DiarizeRequest(audio=Audio(content=b"12"), config=DiarizeConfig(total_speakers=-1)),
            "total_speakers is -1",
        ),
        (DiarizeRequest(config=DiarizeConfig(max_speakers=2)), "no audio"),
    ],
    ids=["rate", "channels", "encoding", "range", "most", "total", "no audio"],
)
def test_what_cannot_be_is_refused(
    channel: grpc.Channel, request_: DiarizeRequest, words: str
) -> None:
    diarize = SpeakerDiarizationStub(channel).Diarize
    code, details = code_of(lambda: diarize(iter([request_])))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert words in details


def test_the_exact_number_of_people_wins(channel: grpc.Channel, sample_wav: Path) -> None:
    """Over gRPC both may be given; over REST that is an error."""
    audio = Audio(
        content=sample_wav.read_bytes(),
        time_range=TimeRange(start=Duration(seconds=10), end=Duration(seconds=20)),
    )
    config = DiarizeConfig(max_speakers=1, total_speakers=2)
    answer = SpeakerDiarizationStub(channel).Diarize(
        iter([DiarizeRequest(audio=audio, config=config)])
    )
    assert answer.speakers_count == 2


def test_a_recording_that_is_too_large(channel: grpc.Channel) -> None:
    piece = DetectRequest(audio=Audio(content=bytes(MAX_BYTES // 2)))
    detect = activity.VoiceActivityDetectionStub(channel).Detect
    code, details = code_of(lambda: detect(iter([piece, piece, piece])))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"{MAX_BYTES} are accepted" in details


def test_too_little_speech_for_a_voiceprint(channel: grpc.Channel) -> None:
    silence = raw(RawAudioConfig.PCM16, bytes(2 * RATE * 2))
    extract = voices.VoiceprintExtractionStub(channel).Extract
    code, details = code_of(lambda: extract(iter([pb.ExtractRequest(audio=silence)])))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "1.0 s are needed" in details


def test_a_large_matrix_comes_in_several_answers(channel: grpc.Channel) -> None:
    prints = [a_print(seed) for seed in range(320)]
    sent = [Portable(content=each.to_bytes()) for each in prints]
    requests = (
        pb.CompareRequest(voiceprints_a=sent[:64]),
        pb.CompareRequest(voiceprints_a=sent[64:300], voiceprints_b=sent[80:200]),
        pb.CompareRequest(voiceprints_b=sent[200:]),
    )
    answers = list(voices.VoiceprintComparisonStub(channel).Compare(iter(requests)))
    sizes = [(each.scores.rows_count, each.scores.columns_count) for each in answers]
    assert sizes == [(300, 240), (0, 0)]
    values = np.concatenate([each.scores.values for each in answers]).reshape(300, 240)
    expected = Calibration.load().compare(prints[:300], prints[80:])
    assert values == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_comparisons_that_are_none(channel: grpc.Channel) -> None:
    compare = voices.VoiceprintComparisonStub(channel).Compare
    sent = Portable(content=a_print().to_bytes())
    for request, words in (
        (pb.CompareRequest(voiceprints_a=[sent]), "1 voiceprints in voiceprints_a and 0"),
        (pb.CompareRequest(voiceprints_a=[sent, Portable()]), "voiceprints_a[1]: This is not"),
    ):
        code, details = code_of(lambda request=request: list(compare(iter([request]))))  # type: ignore[misc]
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert words in details


def llr_of(told: dict[str, Any]) -> float:
    """How much likelier a woman's voice is; what is told of both sides agrees."""
    (result,) = told["results"]
    female, male = result["score_female"], result["score_male"]
    llr: float = female["score_llr"]
    assert male["score_llr"] == -llr
    assert female["probability"] == pytest.approx(1 / (1 + np.exp(-llr)), abs=1e-5)
    assert female["probability"] + male["probability"] == pytest.approx(1)
    return llr


def test_the_gender_of_a_recording(clients: Clients, folder: Path, people: People) -> None:
    allison = folder / "allison.wav"
    allison.write_bytes(people.wav("allison", 6.0))
    woman = clients.told(GENDER, "--use-raw-audio", "--speech-length", "3", allison)
    assert seconds(woman["processed_audio_length"]) == 6
    assert 1 < seconds(woman["results"][0]["speech_length"]) <= 3 + HEARD_AT_ONCE_S
    man = clients.told(GENDER, "-t", "1:", folder / "carlo0.wav")
    assert seconds(man["processed_audio_length"]) == 5
    assert llr_of(woman) > max(1, llr_of(man))


def test_the_client_takes_voiceprints_of_ours_for_audio(
    clients: Clients, prints: list[Path]
) -> None:
    carlo = Voiceprint.from_bytes(prints[2].read_bytes())
    told = clients.told(GENDER, prints[2])
    assert llr_of(told) == pytest.approx(gender_of(carlo).llr, rel=1e-5)
    assert llr_of(told) < -1.5
    length = seconds(told["results"][0]["speech_length"])
    assert length == pytest.approx(carlo.net_speech_s, abs=1e-3)


def test_genders_of_voiceprints_come_with_each_request(channel: grpc.Channel) -> None:
    prints = [a_print(seed) for seed in range(3)]
    expected = [gender_of(each).llr for each in prints]
    assert len(set(expected)) == 3
    one, two, three = (Portable(content=each.to_bytes()) for each in prints)
    identify = GenderIdentificationStub(channel).Identify
    requests = [IdentifyRequest(voiceprints=[one, two]), IdentifyRequest(voiceprints=[three])]
    first, second = identify(iter(requests))
    found = [each.score_female.score_llr for each in (*first.results, *second.results)]
    assert found == pytest.approx(expected, rel=1e-5)
    assert not first.HasField("processed_audio_length")
    sound = IdentifyRequest(audio=Audio(content=b"RIFF"))
    broken = IdentifyRequest(voiceprints=[one, Portable(content=one.content[:-1])])
    for wrong, words in (
        ([requests[0], sound], "began with voiceprints"),
        ([sound, requests[0]], "began with audio"),
        ([requests[0], broken], "voiceprints[3]: The voiceprint is damaged"),
    ):
        code, details = code_of(lambda wrong=wrong: list(identify(iter(wrong))))  # type: ignore[misc]
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert words in details


def test_silence_has_no_gender(channel: grpc.Channel) -> None:
    silence = raw(RawAudioConfig.PCM16, bytes(2 * RATE * 2))
    (answer,) = GenderIdentificationStub(channel).Identify(iter([IdentifyRequest(audio=silence)]))
    (result,) = answer.results
    assert not result.HasField("score_male")
    assert not result.HasField("score_female")
    assert result.speech_length == Duration()
    assert answer.processed_audio_length == Duration(seconds=2)


def test_no_recording_stays_behind(server: Server, channel: grpc.Channel) -> None:
    """Of all the calls above; the last ones are given up sooner or later, or while they send."""
    detect = activity.VoiceActivityDetectionStub(channel).Detect
    silence = DetectRequest(audio=raw(RawAudioConfig.PCM16, bytes(2 * RATE * 2)))
    for milliseconds in range(1, 41, 2):
        with suppress(grpc.RpcError):
            detect(iter([silence]), timeout=milliseconds / 1000)

    def forever() -> Iterator[DetectRequest]:
        yield DetectRequest(audio=Audio(content=b"RIFF"))
        call.cancel()

    call: Any
    call = detect.future(forever())
    with pytest.raises(grpc.FutureCancelledError):
        call.result()
    media = server.data_dir / "blobs/media"
    until(lambda: not [each for each in media.rglob("*") if each.is_file()], what="an empty store")
