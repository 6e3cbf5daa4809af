from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FromClient(_message.Message):
    __slots__ = ("start", "resume", "sound", "acknowledge", "flush", "finish", "ping")
    START_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    SOUND_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGE_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    start: Start
    resume: Resume
    sound: bytes
    acknowledge: Acknowledge
    flush: Flush
    finish: Finish
    ping: Ping
    def __init__(self, start: _Optional[_Union[Start, _Mapping]] = ..., resume: _Optional[_Union[Resume, _Mapping]] = ..., sound: _Optional[bytes] = ..., acknowledge: _Optional[_Union[Acknowledge, _Mapping]] = ..., flush: _Optional[_Union[Flush, _Mapping]] = ..., finish: _Optional[_Union[Finish, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ...) -> None: ...

class Start(_message.Message):
    __slots__ = ("encoding", "sample_rate", "channels", "turns", "speakers", "min_speakers", "max_speakers", "traits", "period_s", "min_volume", "gallery_ids", "speaker_ids", "one_to_one", "false_accept_rate", "min_probability", "stats_s", "resumable")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    MIN_SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    MAX_SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    TRAITS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_S_FIELD_NUMBER: _ClassVar[int]
    MIN_VOLUME_FIELD_NUMBER: _ClassVar[int]
    GALLERY_IDS_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_IDS_FIELD_NUMBER: _ClassVar[int]
    ONE_TO_ONE_FIELD_NUMBER: _ClassVar[int]
    FALSE_ACCEPT_RATE_FIELD_NUMBER: _ClassVar[int]
    MIN_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    STATS_S_FIELD_NUMBER: _ClassVar[int]
    RESUMABLE_FIELD_NUMBER: _ClassVar[int]
    encoding: str
    sample_rate: int
    channels: int
    turns: bool
    speakers: int
    min_speakers: int
    max_speakers: int
    traits: _containers.RepeatedScalarFieldContainer[str]
    period_s: float
    min_volume: float
    gallery_ids: _containers.RepeatedScalarFieldContainer[str]
    speaker_ids: _containers.RepeatedScalarFieldContainer[str]
    one_to_one: bool
    false_accept_rate: float
    min_probability: float
    stats_s: float
    resumable: bool
    def __init__(self, encoding: _Optional[str] = ..., sample_rate: _Optional[int] = ..., channels: _Optional[int] = ..., turns: _Optional[bool] = ..., speakers: _Optional[int] = ..., min_speakers: _Optional[int] = ..., max_speakers: _Optional[int] = ..., traits: _Optional[_Iterable[str]] = ..., period_s: _Optional[float] = ..., min_volume: _Optional[float] = ..., gallery_ids: _Optional[_Iterable[str]] = ..., speaker_ids: _Optional[_Iterable[str]] = ..., one_to_one: _Optional[bool] = ..., false_accept_rate: _Optional[float] = ..., min_probability: _Optional[float] = ..., stats_s: _Optional[float] = ..., resumable: _Optional[bool] = ...) -> None: ...

class Resume(_message.Message):
    __slots__ = ("token", "after")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    token: str
    after: int
    def __init__(self, token: _Optional[str] = ..., after: _Optional[int] = ...) -> None: ...

class Acknowledge(_message.Message):
    __slots__ = ("number",)
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    number: int
    def __init__(self, number: _Optional[int] = ...) -> None: ...

class Flush(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Finish(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Ping(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class FromServer(_message.Message):
    __slots__ = ("received_bytes", "number", "at", "started", "pong", "speech_started", "speech_ended", "turn", "speaker_identified", "relabel", "traits", "stats", "flushed", "ended")
    RECEIVED_BYTES_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    SPEECH_ENDED_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_IDENTIFIED_FIELD_NUMBER: _ClassVar[int]
    RELABEL_FIELD_NUMBER: _ClassVar[int]
    TRAITS_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    FLUSHED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    received_bytes: int
    number: int
    at: float
    started: Started
    pong: Pong
    speech_started: SpeechStarted
    speech_ended: SpeechEnded
    turn: Turn
    speaker_identified: SpeakerIdentified
    relabel: Relabel
    traits: Traits
    stats: Stats
    flushed: Flushed
    ended: Ended
    def __init__(self, received_bytes: _Optional[int] = ..., number: _Optional[int] = ..., at: _Optional[float] = ..., started: _Optional[_Union[Started, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., speech_started: _Optional[_Union[SpeechStarted, _Mapping]] = ..., speech_ended: _Optional[_Union[SpeechEnded, _Mapping]] = ..., turn: _Optional[_Union[Turn, _Mapping]] = ..., speaker_identified: _Optional[_Union[SpeakerIdentified, _Mapping]] = ..., relabel: _Optional[_Union[Relabel, _Mapping]] = ..., traits: _Optional[_Union[Traits, _Mapping]] = ..., stats: _Optional[_Union[Stats, _Mapping]] = ..., flushed: _Optional[_Union[Flushed, _Mapping]] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("session", "token", "resumed", "limits")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    session: str
    token: str
    resumed: bool
    limits: Limits
    def __init__(self, session: _Optional[str] = ..., token: _Optional[str] = ..., resumed: _Optional[bool] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("message_bytes", "idle_s", "resume_s", "longest_s", "backlog_s", "unread_events")
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    IDLE_S_FIELD_NUMBER: _ClassVar[int]
    RESUME_S_FIELD_NUMBER: _ClassVar[int]
    LONGEST_S_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_S_FIELD_NUMBER: _ClassVar[int]
    UNREAD_EVENTS_FIELD_NUMBER: _ClassVar[int]
    message_bytes: int
    idle_s: float
    resume_s: float
    longest_s: float
    backlog_s: float
    unread_events: int
    def __init__(self, message_bytes: _Optional[int] = ..., idle_s: _Optional[float] = ..., resume_s: _Optional[float] = ..., longest_s: _Optional[float] = ..., backlog_s: _Optional[float] = ..., unread_events: _Optional[int] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class SpeechStarted(_message.Message):
    __slots__ = ("start",)
    START_FIELD_NUMBER: _ClassVar[int]
    start: float
    def __init__(self, start: _Optional[float] = ...) -> None: ...

class SpeechEnded(_message.Message):
    __slots__ = ("end",)
    END_FIELD_NUMBER: _ClassVar[int]
    end: float
    def __init__(self, end: _Optional[float] = ...) -> None: ...

class Turn(_message.Message):
    __slots__ = ("turn", "revision", "state", "start", "end", "speaker", "name", "going", "confidence")
    TURN_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GOING_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    turn: int
    revision: int
    state: str
    start: float
    end: float
    speaker: str
    name: str
    going: bool
    confidence: float
    def __init__(self, turn: _Optional[int] = ..., revision: _Optional[int] = ..., state: _Optional[str] = ..., start: _Optional[float] = ..., end: _Optional[float] = ..., speaker: _Optional[str] = ..., name: _Optional[str] = ..., going: _Optional[bool] = ..., confidence: _Optional[float] = ...) -> None: ...

class SpeakerIdentified(_message.Message):
    __slots__ = ("speaker", "identity", "net_speech_s")
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    NET_SPEECH_S_FIELD_NUMBER: _ClassVar[int]
    speaker: str
    identity: Identity
    net_speech_s: float
    def __init__(self, speaker: _Optional[str] = ..., identity: _Optional[_Union[Identity, _Mapping]] = ..., net_speech_s: _Optional[float] = ...) -> None: ...

class Identity(_message.Message):
    __slots__ = ("speaker_id", "name", "cosine", "llr", "probability", "margin")
    SPEAKER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    COSINE_FIELD_NUMBER: _ClassVar[int]
    LLR_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    speaker_id: str
    name: str
    cosine: float
    llr: float
    probability: float
    margin: float
    def __init__(self, speaker_id: _Optional[str] = ..., name: _Optional[str] = ..., cosine: _Optional[float] = ..., llr: _Optional[float] = ..., probability: _Optional[float] = ..., margin: _Optional[float] = ...) -> None: ...

class Relabel(_message.Message):
    __slots__ = ("source", "target", "since", "reason")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    since: float
    reason: str
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., since: _Optional[float] = ..., reason: _Optional[str] = ...) -> None: ...

class Traits(_message.Message):
    __slots__ = ("start", "end", "volume", "traits", "speaker", "speakers")
    class TraitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Trait
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Trait, _Mapping]] = ...) -> None: ...
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    TRAITS_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    start: float
    end: float
    volume: float
    traits: _containers.MessageMap[str, Trait]
    speaker: str
    speakers: int
    def __init__(self, start: _Optional[float] = ..., end: _Optional[float] = ..., volume: _Optional[float] = ..., traits: _Optional[_Mapping[str, Trait]] = ..., speaker: _Optional[str] = ..., speakers: _Optional[int] = ...) -> None: ...

class Trait(_message.Message):
    __slots__ = ("result", "confidence", "raw")
    class RawEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    RESULT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    result: str
    confidence: float
    raw: _containers.ScalarMap[str, float]
    def __init__(self, result: _Optional[str] = ..., confidence: _Optional[float] = ..., raw: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Stats(_message.Message):
    __slots__ = ("heard", "backlog", "speech", "speakers")
    HEARD_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_FIELD_NUMBER: _ClassVar[int]
    SPEECH_FIELD_NUMBER: _ClassVar[int]
    SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    heard: float
    backlog: float
    speech: float
    speakers: int
    def __init__(self, heard: _Optional[float] = ..., backlog: _Optional[float] = ..., speech: _Optional[float] = ..., speakers: _Optional[int] = ...) -> None: ...

class Flushed(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Ended(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
