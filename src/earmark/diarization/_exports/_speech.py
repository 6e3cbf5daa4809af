"""The JSON document ``earmark.voice-activity/1``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earmark.diarization._exports._json import line, load, pages
from earmark.errors import InvalidInput

if TYPE_CHECKING:
    from earmark.diarization._speech import ChannelSpeech, SpeechActivity

__all__ = ["parse_speech_document", "speech_document"]

_SCHEMA = "earmark.voice-activity/1"


def speech_document(result: SpeechActivity, *, compact: bool) -> str:
    """Times to three decimals; ``compact`` puts everything on one line. Ends with a line break."""
    document: dict[str, Any] = {
        "schema": _SCHEMA,
        "uri": result.uri,
        "start": result.start_s,
        "duration": result.duration,
        "channels": [_channel(each) for each in result.channels],
        "segments": [
            {"start": start, "end": end, "channel": each.channel}
            for each in result.channels
            for start, end in each.segments
        ],
        "warnings": list(result.warnings),
        "models": dict(result.models),
        "settings": dict(result.settings),
    }
    return (line(document) if compact else pages(document)) + "\n"


def parse_speech_document(text: str | bytes) -> dict[str, Any]:
    """The constructor arguments of the SpeechActivity that the document holds.

    Raises `InvalidInput` when it is not such a document.
    """
    from earmark.diarization._speech import ChannelSpeech

    document = load(text, _SCHEMA)
    try:
        segments: dict[int | None, list[tuple[float, float]]] = {
            each["channel"]: [] for each in document["channels"]
        }
        for each in document["segments"]:
            segments[each["channel"]].append((float(each["start"]), float(each["end"])))
        sounds = {each["channel"]: each.get("sounds") for each in document["channels"]}
        return {
            "channels": tuple(
                ChannelSpeech(
                    channel=channel, segments=tuple(found), sounds=_sounds(sounds[channel])
                )
                for channel, found in segments.items()
            ),
            "duration": float(document["duration"]),
            "start_s": float(document["start"]),
            "uri": document["uri"],
            "warnings": tuple(document["warnings"]),
            "models": dict(document["models"]),
            "settings": dict(document["settings"]),
        }
    except KeyError as error:
        raise InvalidInput(f"The {_SCHEMA} document has no {error}.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"The {_SCHEMA} document is malformed: {error}.") from error


def _channel(each: ChannelSpeech) -> dict[str, Any]:
    shown: dict[str, Any] = {"channel": each.channel, "speech": each.speech_s}
    if each.sounds is not None:
        shown["sounds"] = [
            {"start": start, "end": end, "sound": sound} for start, end, sound in each.sounds
        ]
    return shown


def _sounds(rows: list[dict[str, Any]] | None) -> tuple[tuple[float, float, str], ...] | None:
    if rows is None:
        return None
    return tuple((float(row["start"]), float(row["end"]), str(row["sound"])) for row in rows)
