"""What programs may ask, described in the form of OpenAPI 3.1."""

from dataclasses import fields
from typing import Any

from kinegraph.serve.recordings import Asking

ABOUT = {
    "top": "classes of an answer, the likeliest first",
    "per_person": "an answer for each person instead of one for all",
    "window": 'a timeline from windows of so many frames or seconds (3s); "auto": where it is longer than in training',
    "stride": "from one window to the next, by default a quarter of it",
    "count": "also count the repetitions of an exercise that comes back to its first pose",
    "clip": "the number of the one clip of the file that is asked about, from 0 on",
    "format": "the file's format, where its content does not decide it",
    "layout": "name of a built-in layout, where the file does not say it",
    "map_layout": "take the joints by name where the recording has others too",
    "fps": "frames a second, in place of those of the file",
    "image_size": "width x height in pixels, such as 1920x1080",
    "units": "m, cm, mm, in, ft, px, image or normalised",
    "up": "vertical axis: x, y, z, -x, -y or -z",
    "player": "also give the first clip as HTML for a page",
}
NUMBER, TEXT = {"type": "number"}, {"type": "string"}
ANSWER = {
    "type": "object",
    "properties": {
        "clip": TEXT, "clip_number": {"type": "integer"}, "person": {"type": ["integer", "null"]},
        "first_frame": {"type": "integer"},
        "end_frame": {"type": "integer"}, "start_seconds": {"type": ["number", "null"]},
        "end_seconds": {"type": ["number", "null"]}, "truth": {"type": ["string", "null"]},
        "right": {"type": ["boolean", "null"]}, "known": {"type": "boolean"},
        "repetitions": {"type": ["integer", "null"]},
        "top": {"type": "array", "items": {"type": "object", "properties": {"class": TEXT, "probability": NUMBER}}},
    },
}  # fmt: skip
CLIP = {
    "type": "object",
    "required": ["keypoint"],
    "properties": {
        "keypoint": {"type": "array", "description": "frames of joints [x, y] or [x, y, z], or people of such frames"},
        "score": {"type": "array"},
        "fps": NUMBER,
        "image_size": {"description": "[width, height] in pixels"},
        "layout": {"type": "string", "description": "a built-in one, by default that of the network"},
    },
}
REFUSED = {
    "400": "an option or the name does not fit", "401": "the token is missing or wrong",
    "413": "the upload is too large", "422": "the recording cannot be read, or does not fit the network",
    "503": "too many recordings wait", "504": "the recording took too long",
    "507": "the upload cannot be kept",
}  # fmt: skip


def described(version: str) -> dict[str, Any]:
    """The description. The sockets, which OpenAPI does not know, are described in words."""
    error = _json({"type": "object", "properties": {"error": TEXT}})
    answer = _json({"type": "object", "properties": {
        "name": TEXT, "answers": {"type": "array", "items": ANSWER}, "notes": {"type": "array", "items": TEXT},
    }})  # fmt: skip
    body = {"application/json": {"schema": CLIP}, "application/octet-stream": {"schema": {"type": "string",
            "contentMediaType": "application/octet-stream"}}}  # fmt: skip
    predict = {
        "summary": "What is done in a recording",
        "parameters": [_parameter("name", "name of the file, whose ending counts; without it the body is a clip", TEXT)]
        + [_parameter(field.name, ABOUT[field.name], _schema(str(field.type))) for field in fields(Asking)],
        "requestBody": {"required": True, "content": body},
        "responses": {"200": {"description": "answers", "content": answer}}
        | {code: {"description": text, "content": error} for code, text in REFUSED.items()},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "kinegraph serve", "version": version, "description": SOCKETS},
        "paths": {
            "/predict": {"post": predict},
            "/about": {"get": _get("the network, and what the server takes")},
            "/healthz": {"get": _get("whether the server runs") | {"security": []}},
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


SOCKETS = (
    "The socket /stream takes frames as `kinegraph stream` does, a line of JSON each, and answers with objects of"
    " the kinds head, note, answer, begin, end, repetition and error; an empty message ends a recording. Its "
    "address may say fps, image_size, layout, map_layout, units, up, people, top, count, show, skeleton and name."
    ' The socket /watch tells a page what happens in the streams of others: {"watch": NUMBER} chooses one.'
)


def _parameter(name: str, about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _schema(kind: str) -> dict[str, Any]:
    names = {"bool": "boolean", "int": "integer", "float": "number"}
    return {"type": next((names[word] for word in names if word in kind), "string")}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _get(about: str) -> dict[str, Any]:
    return {"summary": about, "responses": {"200": {"description": about, "content": _json({"type": "object"})}}}
