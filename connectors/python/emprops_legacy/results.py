"""The result of an old connector as the Python worker would have sent it: what pydantic wrote without a word."""

import base64
import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import uuid

from emprops_connector import JobFailure, _text

_AS_TEXT = (decimal.Decimal, uuid.UUID, pathlib.PurePath)
_MAX_DEPTH = 250


def _name(key):
    return key.value if isinstance(key, enum.Enum) else key


def to_json(value, path="result", depth=0):
    """A value of JSON; JobFailure names the place of what has no such form."""
    if isinstance(value, enum.Enum):
        return to_json(value.value, path, depth)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if depth > _MAX_DEPTH:
        raise JobFailure("protocol_error", f"{_text(path, 200)} is nested too deep, or holds itself", False)
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(_name(key)): to_json(item, f"{path}.{key}", depth + 1)
                for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, (bytes, bytearray)):
        try:
            return bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, _AS_TEXT):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return to_json(fields, path, depth + 1)
    # Without importing them: pydantic 2, pydantic 1, numpy's and torch's arrays and scalars.
    for method in ("model_dump", "dict", "tolist", "item"):
        if callable(getattr(value, method, None)) and not isinstance(value, type):
            return to_json(getattr(value, method)(), path, depth + 1)
    raise JobFailure("protocol_error", f"{path} is of type {type(value).__name__}, which is no JSON value", False)


def judged(result):
    """The result to send. Only {"status": "failed"} is a failure, as ever: "error" passes."""
    if result is None:
        return {}
    if not isinstance(result, dict) and callable(getattr(result, "model_dump", getattr(result, "dict", None))):
        result = to_json(result)
    if not isinstance(result, dict):
        raise JobFailure("protocol_error", f"process_job() must return a dict, and returned {type(result).__name__}", False)
    if result.get("status") == "failed":
        raise JobFailure("internal", _text(result.get("error") or "Unknown error"))
    return to_json(result)
