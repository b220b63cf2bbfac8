"""The Python SDK for emprops-worker connectors: one file, standard library only, Python 3.9 and later.

Derive from Connector, say job_types, write process_job(), hand an object to run_connector(). The SDK does the protocol
(ipc/PROTOCOL.md): handshake, pings answered while jobs run, cancel, drain, leaving at the end of stdin; and importing
it moves stdin and stdout away, so that a print of any library becomes a log line. The README has a complete connector.

Threads: a reader (supervisor's lines, signals, the time of leaving), a writer, one for each job, and one asyncio loop
for all handlers that are coroutines. Nothing of an author's blocks the reader, short of native code that keeps the GIL.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import inspect
import json
import logging
import math
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

__version__ = "0.1.0"
__all__ = ["CancelGuard", "ConfigurationError", "Connector", "ConnectorContext", "ConnectorSettings", "Features",
           "FilesOffer", "Job", "JobContext", "JobFailure", "LogHandler", "Members", "ProgramResult", "RawResult",
           "env_bool", "env_double", "env_int", "env_string", "run_connector", "testing"]

PROTOCOL_VERSION = 1
_MAX_INPUT_LINE = 128 << 20  # the limits are those of ipc/PROTOCOL.md
_MAX_DEPTH = 256
_MAX_MARK_DEPTH = 240
_MAX_FILES = 1000
_MAX_FILES_BYTES = 1 << 20
_MAX_DETAILS_BYTES = 128 << 10
_MAX_TEXT = 16 << 10  # characters; all that stands beside a result has 256 KiB
_EXIT_CONFIGURATION, _EXIT_INTERNAL, _EXIT_USAGE = 78, 70, 64


# ---- stdin and stdout belong to the protocol ------------------------------------------------------------------------

_protocol_fds: Optional[Tuple[int, int]] = None
_started_by_worker = False
_running: Optional["_Session"] = None


def _take_stdio() -> Tuple[int, int]:
    """Moves stdin and stdout to private descriptors; 0 becomes /dev/null and 1 becomes stderr, here and in children."""
    import fcntl

    first_private = 10  # above what programs expect to be free
    fds = (fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, first_private), fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, first_private))
    null = os.open(os.devnull, os.O_RDWR)
    try:
        os.fstat(2)
    except OSError:
        os.dup2(null, 2)
    os.dup2(null, 0)
    os.dup2(2, 1)
    if null > 2:
        os.close(null)
    else:
        os.set_inheritable(null, True)  # it took the place of a descriptor that was closed
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # each print a log line at once, and none fails for its letters
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    # A signal for the child that comes before it has handlers of its own would be told to us: it waits until then.
    mask = threading.local()

    def hold() -> None:
        mask.old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})

    def let_go() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask.old)

    def in_child() -> None:
        try:
            _forget_stdio(fds)
        finally:
            let_go()
    os.register_at_fork(before=hold, after_in_parent=let_go, after_in_child=in_child)
    return fds


def _forget_stdio(fds: Tuple[int, int]) -> None:
    """In a forked child (multiprocessing): it must neither speak the protocol nor keep its pipes open."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in fds:
        try:
            os.dup2(null, fd, inheritable=False)
        except OSError:
            pass
    os.close(null)
    session = _running
    if session is None:
        return
    # Its signals are its own, and nobody writes its lines; what another thread held locked stays so for ever.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    session.writer._changed, session.writer._broken = threading.Condition(), True
    session._changed = threading.Condition(threading.RLock())


def _on_import() -> None:
    global _protocol_fds, _started_by_worker
    # Taken out: what a connector starts is no connector, though it may import this file.
    _started_by_worker = os.environ.pop("EMPROPS_CONNECTOR", None) is not None
    if threading.current_thread() is threading.main_thread() and _started_by_worker:
        # Python ignores SIGPIPE, and whatever is executed inherits that; a handler is not inherited.
        signal.signal(signal.SIGPIPE, lambda *_: None)
    if _started_by_worker:
        try:
            if not os.isatty(0):
                _protocol_fds = _take_stdio()
        except OSError as error:
            os.write(2, f"stdin and stdout must be open: {error}\n".encode())
            sys.exit(_EXIT_INTERNAL)


_on_import()


def _complain(text: str) -> None:
    """A line on stderr, also while Python ends (the locks of sys.stderr would not be safe then)."""
    try:
        os.write(2, (text + "\n").encode("utf-8", "backslashreplace"))
    except OSError:
        pass


# ---- failures -------------------------------------------------------------------------------------------------------

class JobFailure(Exception):
    """Raise it from process_job() to fail the job with a code of ipc/PROTOCOL.md ("invalid_payload", ...) or one of
    your own: the connector's name, a dot, a word. Any other exception fails the job as "internal" with its text."""

    def __init__(self, code: str, message: str, retryable: bool = True, details: Optional[Mapping[str, Any]] = None):
        super().__init__(message)
        self.code, self.message, self.retryable, self.details = code, message, retryable, details


class ConfigurationError(Exception):
    """Raise it from initialize() when retrying cannot help: exit 78, no retry before the settings change."""


def _text(value: Any, limit: int = _MAX_TEXT) -> str:
    try:
        text = str(value)
    except Exception:  # a hostile or broken __str__
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters in all)"


def _describe(error: BaseException) -> str:
    """'KeyError: 'width' (main.py:12)': what a person needs; the traceback goes to the log."""
    text = _text(error)
    name = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return f"{name}: {text}{place}" if text else f"{name}{place}"


def _error_of(error: BaseException) -> Dict[str, Any]:
    """The object `error` of ipc/PROTOCOL.md."""
    if isinstance(error, JobFailure):
        code = error.code if isinstance(error.code, str) and error.code else "internal"
        out: Dict[str, Any] = {"code": _text(code, 256), "message": _text(error.message),
                               "retryable": bool(error.retryable)}
        details = _object(error.details)
        return {**out, "details": details} if details is not None else out
    if isinstance(error, ConfigurationError):
        return {"code": "internal", "message": _text(error), "retryable": False}
    if isinstance(error, MemoryError):
        return {"code": "out_of_memory", "message": f"the connector ran out of memory: {_describe(error)}"}
    if isinstance(error, SystemExit):
        return {"code": "internal", "message": f"the job called exit({_text(error.code, 200)}); raise JobFailure"}
    return {"code": "internal", "message": _describe(error)}


# ---- JSON -----------------------------------------------------------------------------------------------------------

def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _line(text: str) -> bytes:
    try:
        return text.encode("utf-8") + b"\n"
    except UnicodeEncodeError:  # lone surrogates: JSON has them as escapes only
        return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text).encode("utf-8") + b"\n"


def _fault(value: Any, path: str, depth: int = 1) -> Optional[str]:
    """What keeps `value` from being JSON, and where; None: nothing."""
    if value is None or isinstance(value, (bool, str)):
        return None
    if isinstance(value, int):
        try:
            int.__repr__(value)
            return None
        except ValueError:
            return f"{path} is a number with more digits than Python writes (sys.set_int_max_str_digits)"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{path} is {value}, which JSON has not (use None, or leave it out)"
    if not isinstance(value, (dict, list, tuple)):
        return f"{path} is of type {type(value).__name__}, which is no JSON value (make it a str, number, list or dict)"
    if depth > _MAX_DEPTH:
        return f"{_text(path, 200)} is nested deeper than {_MAX_DEPTH} levels, or holds itself"
    items: Iterable[Tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(value, dict) and not (key is None or isinstance(key, (str, int, bool))):
            return f"{path} has a key of type {type(key).__name__}; the names of JSON members are text"
        fault = _fault(item, f"{path}.{key}" if isinstance(value, dict) else f"{path}[{key}]", depth + 1)
        if fault:
            return fault
    return None


def _too_deep(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [item for each in level for item in (each.values() if isinstance(each, dict) else each)
                 if isinstance(item, (dict, list, tuple))]
        if not level:
            return False
    return True


def _json_of(value: Any, path: str) -> str:
    """`value` as JSON text; JobFailure("protocol_error") names the place of what is none."""
    problem = ""
    try:
        text = _dump(value)
        # Two brackets for a level at least: a flat value is not walked.
        if text.count("{") + text.count("[") <= _MAX_DEPTH or not _too_deep(value, _MAX_DEPTH):
            return text
    except (TypeError, ValueError, RecursionError) as error:
        problem = _text(error)
    fault = _fault(value, path)
    raise JobFailure("protocol_error", fault or f"{path} cannot be written as JSON: {problem}", False)


def _plain(value: Any, depth: int = 1) -> Any:
    """The nearest JSON value, for what only informs: nothing that is said of a job may fail it."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 64 else _text(hex(value), 200)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > 16:
        return "..."
    if isinstance(value, dict):
        return {_text(key, 1000): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    return _text(value, 1000)


def _object(value: Any) -> Optional[Dict[str, Any]]:
    """`details` and the like: an object of bearable size, or nothing."""
    if not isinstance(value, Mapping):
        return None
    try:
        plain = _plain(dict(value))
        return plain if len(_line(_dump(plain))) <= _MAX_DETAILS_BYTES else None
    except Exception:  # a mapping that changes under us, a hostile one
        return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# ---- typed reading --------------------------------------------------------------------------------------------------

_REQUIRED: Any = object()
_KINDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number", list: "a list",
          dict: "an object", type(None): "null"}
_Range = Tuple[float, float]
_ANY = (-math.inf, math.inf)


class Members(Dict[str, Any]):
    """A JSON object whose members are read with their type: payloads and settings. A member that is absent or null has
    the default; without one it is required. What is wrong raises and names the member: JobFailure("invalid_payload") of
    a payload, ConfigurationError of settings (whose values are not repeated: they may be secrets)."""

    def __init__(self, values: Mapping[str, Any], what: str = "the payload", path: str = "", settings: bool = False):
        super().__init__(values)
        self._what, self._path, self._settings = what, path, settings

    def string(self, key: str, default: Any = _REQUIRED, *, choices: Optional[Sequence[str]] = None) -> str:
        value = self._read(key, default, str, lambda v: isinstance(v, str))
        if choices is not None and value != default and value not in choices:
            raise self._wrong(key, "one of " + ", ".join(choices), value)
        return value

    def integer(self, key: str, default: Any = _REQUIRED, *, within: _Range = _ANY) -> int:
        value = self._read(key, default, int, lambda v: isinstance(v, int) or isinstance(v, float) and v.is_integer())
        value = self._within(key, value, within, "a whole number")
        return int(value) if isinstance(value, float) else value

    def number(self, key: str, default: Any = _REQUIRED, *, within: _Range = _ANY) -> float:
        value = self._read(key, default, float, lambda v: isinstance(v, (int, float)) and abs(v) <= sys.float_info.max)
        return self._within(key, value, within, "a number")

    def boolean(self, key: str, default: Any = _REQUIRED) -> bool:
        return self._read(key, default, bool, lambda v: isinstance(v, bool))

    def array(self, key: str, default: Any = _REQUIRED, *, of: Optional[type] = None) -> List[Any]:
        """`of` is the type of each element: str, int, float, bool, list or dict."""
        value = self._read(key, default, list, lambda v: isinstance(v, list))
        for index, item in enumerate(value or [] if of is not None else []):
            fits = isinstance(item, (int, float) if of is float else of) and (of is bool or not isinstance(item, bool))
            if not fits:
                raise self._wrong(f"{key}[{index}]", _KINDS.get(of, of.__name__), item)
        return value

    def object(self, key: str, default: Any = _REQUIRED) -> "Members":
        value = self._read(key, default, dict, lambda v: isinstance(v, dict))
        return Members(value, self._what, self._path + key + ".", self._settings) if isinstance(value, dict) else value

    def _read(self, key: str, default: Any, kind: type, fits: Callable[[Any], bool]) -> Any:
        value = self.get(key)
        if value is None:
            if default is _REQUIRED:
                raise self._error(f"{self._what} must have \"{self._path}{key}\", {_KINDS[kind]}")
            return default
        if not fits(value) or isinstance(value, bool) and kind is not bool:
            raise self._wrong(key, _KINDS[kind], value)
        return value

    def _within(self, key: str, value: Any, within: _Range, kind: str) -> Any:
        if value is not None and not within[0] <= value <= within[1]:
            raise self._wrong(key, f"{kind} from {within[0]} to {within[1]}", value)
        return value

    def _wrong(self, key: str, wanted: str, value: Any) -> Exception:
        found = _KINDS.get(type(value), type(value).__name__)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and not self._settings:
            found = f"{_text(json.dumps(value, ensure_ascii=False), 80)} ({found})"
        return self._error(f"\"{self._path}{key}\" of {self._what} must be {wanted}, but is {found}")

    def _error(self, message: str) -> Exception:
        return ConfigurationError(message) if self._settings else JobFailure("invalid_payload", message, False)


def _env(name: str) -> Optional[Tuple[str, str]]:
    return next(((each, os.environ[each]) for each in (f"WORKER_{name}", name) if each in os.environ), None)


def env_string(name: str, default: str = "") -> str:
    """The variable WORKER_NAME, else NAME, else the default. One that is there and empty counts as set."""
    found = _env(name)
    return found[1] if found else default


def env_double(name: str, default: float, within: _Range = _ANY) -> float:
    found = _env(name)
    if not found:
        return default
    try:
        value = float(found[1])
    except ValueError:
        value = math.nan
    if not within[0] <= value <= within[1] or not math.isfinite(value):
        raise ConfigurationError(f"{found[0]} must be a number from {within[0]} to {within[1]}")
    return value


def env_int(name: str, default: int, within: _Range = _ANY) -> int:
    found = _env(name)
    if not found:
        return default
    try:
        value = int(found[1].strip())
    except ValueError:
        raise ConfigurationError(f"{found[0]} must be a whole number from {within[0]} to {within[1]}") from None
    if not within[0] <= value <= within[1]:
        raise ConfigurationError(f"{found[0]} must be a whole number from {within[0]} to {within[1]}")
    return value


def env_bool(name: str, default: bool) -> bool:
    """true, 1, yes, on and false, 0, no, off in any case; empty is false."""
    found = _env(name)
    if not found:
        return default
    word = found[1].strip().lower()
    if word not in ("true", "1", "yes", "on", "false", "0", "no", "off", ""):
        raise ConfigurationError(f"{found[0]} must be true or false")
    return word in ("true", "1", "yes", "on")


# ---- what is told to a connector ------------------------------------------------------------------------------------

@dataclasses.dataclass
class FilesOffer:
    """What the worker does with files that a result names (ipc/PROTOCOL.md, "Files")."""
    stores: List[str] = dataclasses.field(default_factory=list)
    max_files: int = 0
    released: int = 0
    max_bytes: int = 0  # of all files of one result; 0: not limited
    deliver: List[str] = dataclasses.field(default_factory=list)
    jobs: List[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class ConnectorSettings:
    """What the supervisor said in `hello`."""
    worker_id: str = ""
    connector: str = ""
    instance: int = 0
    settings: Members = dataclasses.field(default_factory=lambda: Members({}, "the settings", "", True))
    work_dir: str = ""
    hub: str = ""
    concurrency: Optional[int] = None
    files: Optional[FilesOffer] = None  # None: the worker takes no files

    @property
    def members(self) -> Members:
        """The settings, by the name that all SDKs have for typed reading."""
        return self.settings


@dataclasses.dataclass
class Features:
    cancel: bool = True    # process_job() sees that it is cancelled (coroutines always do)
    status: bool = False   # set_status() is called; no jobs come before the first available status
    resume: bool = False   # process_job() can take over a job whose earlier process died (Job.resume)
    prepare: bool = False  # process_job() prepares its job, and then calls JobContext.wait_turn()
    files: bool = False    # all that the jobs make goes through add_file()


class RawResult:
    """A result as JSON text (an object) that is sent byte for byte."""

    def __init__(self, text: str):
        self.text = text


@dataclasses.dataclass
class ProgramResult:
    exit_code: int  # negative: the signal that ended it
    stdout: str     # the newest max_output bytes
    stderr: str
    truncated: bool


class Job:
    """One job; `timeout` in seconds, None: no limit. `payload_text` is the payload as the client wrote it."""

    def __init__(self, message: Mapping[str, Any], payload_text: str):
        self.job_id: str = message["job_id"]
        self.job_type: str = _said(message, "job_type", str, "")
        self.priority: int = _said(message, "priority", int, 0)
        self.attempt: int = _said(message, "attempt", int, 1)
        self.resume: bool = _said(message, "resume", bool, False)
        timeout = _said(message, "timeout_ms", int, 0)
        self.timeout: Optional[float] = timeout / 1000 if timeout else None
        self.work_dir: str = _said(message, "work_dir", str, "")
        self.traceparent: Optional[str] = _said(message, "traceparent", str, None)
        self.payload_text = payload_text
        self._payload: Optional[Members] = None

    @property
    def payload(self) -> Members:
        """Parsed when it is first asked for. A dict, with typed reading (Members)."""
        if self._payload is None:
            try:
                # Members behind the payload (the supervisor sends none) are not its business.
                value, end = json.JSONDecoder().raw_decode(self.payload_text)
                self.payload_text = self.payload_text[:end]
            except (ValueError, RecursionError) as error:
                raise JobFailure("invalid_payload", f"the payload cannot be read: {_text(error, 500)}", False) from None
            if not isinstance(value, dict):
                raise JobFailure("invalid_payload", "the payload must be a JSON object", False)
            self._payload = Members(value)
        return self._payload

    @property
    def members(self) -> Members:
        """The payload, by the name that all SDKs have for typed reading."""
        return self.payload


def _said(message: Mapping[str, Any], key: str, kind: Any, default: Any) -> Any:
    """A member of the supervisor's; one of another type counts as absent."""
    value = message.get(key)
    return value if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) else default


def _settings_of(hello: Mapping[str, Any]) -> ConnectorSettings:
    offer = _said(hello, "files", dict, None)
    files = None if offer is None else FilesOffer(
        _said(offer, "stores", list, []), _said(offer, "max_files", int, 0), _said(offer, "released", int, 0),
        _said(offer, "max_bytes", int, 0), _said(offer, "deliver", list, []), _said(offer, "jobs", list, []))
    return ConnectorSettings(
        _said(hello, "worker_id", str, ""), _said(hello, "connector", str, ""), _said(hello, "instance", int, 0),
        Members(_said(hello, "settings", dict, {}), "the settings", "", True), _said(hello, "work_dir", str, ""),
        _said(hello, "hub", str, ""), _said(hello, "concurrency", int, None), files)


# ---- time, lines out ------------------------------------------------------------------------------------------------

class _Clock:
    """Seconds in which this process ran: a paused container costs no deadline. The reader looks at it every second."""
    rest = 1.0

    def __init__(self) -> None:
        self._lock, self._seen, self._lost = threading.Lock(), time.monotonic(), 0.0

    def now(self) -> float:
        with self._lock:
            now = time.monotonic()
            if now - self._seen > 3 * self.rest:
                self._lost += now - self._seen - self.rest
            self._seen = now
            return now - self._lost


class _Outgoing:
    """What waits to be written. Ends of jobs are never dropped and never overtaken by a progress of their job; progress
    is merged (the newest of a job wins, one per 50 ms); log lines are dropped when nobody reads. No lock, no clock."""

    interval = 0.05
    droppable_bytes = 4 << 20

    def __init__(self) -> None:
        self._lines: collections.deque = collections.deque()
        self._progress: Dict[str, List[Any]] = {}  # job id -> [line that waits, when it is due, it has a place in _lines]
        self._droppable = 0
        self._dropped = 0

    def push(self, line: bytes) -> None:
        self._lines.append((line, False))

    def push_droppable(self, line: bytes) -> None:
        if self._droppable + len(line) > self.droppable_bytes:
            self._dropped += 1
            return
        self._droppable += len(line)
        self._lines.append((line, True))

    def progress(self, job_id: str, line: bytes, now: float) -> None:
        state = self._progress.setdefault(job_id, [None, now, False])
        state[0] = line
        self._queue(job_id, state, now)

    def _queue(self, job_id: str, state: List[Any], now: float) -> None:
        """A place in the row: what stands there when it is taken is the newest."""
        if state[0] and not state[2] and now >= state[1]:
            state[2] = True
            self._lines.append((job_id, False))

    def finish(self, job_id: str, line: bytes) -> None:
        last = self._progress.pop(job_id, [None])[0]
        if last:
            self.push(last)
        self.push(line)

    def next(self, now: float) -> Optional[bytes]:
        for job_id, state in self._progress.items():
            self._queue(job_id, state, now)
        while self._lines:
            line, droppable = self._lines.popleft()
            if isinstance(line, str):
                state = self._progress.get(line)
                if state is None or not state[0]:
                    continue  # the job has ended
                line, state[:] = state[0], [None, now + self.interval, False]
            self._droppable -= len(line) if droppable else 0
            return line
        if self._dropped:
            count, self._dropped = self._dropped, 0
            return _line(_dump({"type": "log", "level": "warn",
                                "message": f"{count} log lines were dropped: the supervisor did not read in time"}))
        return None

    def next_due(self) -> Optional[float]:
        return min((state[1] for state in self._progress.values() if state[0]), default=None)

    def clear(self) -> None:
        self._lines.clear()
        self._progress.clear()
        self._droppable = self._dropped = 0


class _Writer:
    """The thread that writes lines, so that no handler waits for a supervisor that does not read."""

    def __init__(self, fd: int, on_gone: Callable[[], None]):
        self._fd, self._on_gone = fd, on_gone
        self._out, self._changed = _Outgoing(), threading.Condition()
        self._broken = self._closed = self._writing = False
        threading.Thread(target=self._run, name="emprops writer", daemon=True).start()

    def send(self, message: Mapping[str, Any]) -> None:
        self._put(lambda out: out.push(_line(_dump(message))))

    def send_droppable(self, message: Mapping[str, Any]) -> None:
        self._put(lambda out: out.push_droppable(_line(_dump(message))))

    def progress(self, job_id: str, message: Mapping[str, Any]) -> None:
        line = _line(_dump(message))
        self._put(lambda out: out.progress(job_id, line, time.monotonic()))

    def finish(self, job_id: str, line: bytes) -> None:
        self._put(lambda out: out.finish(job_id, line))

    def flush(self) -> None:
        """Waits until all is written. The reader guards the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._broken or not self._writing)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _put(self, add: Callable[[_Outgoing], None]) -> None:
        with self._changed:
            if self._broken:
                return
            add(self._out)
            self._writing = True
            self._changed.notify_all()

    def _next(self) -> Optional[bytes]:
        with self._changed:
            while True:
                line = self._out.next(time.monotonic())
                if line or self._closed:
                    return line
                due = self._out.next_due()
                if due is None:
                    self._writing = False
                    self._changed.notify_all()
                self._changed.wait(None if due is None else max(0.0, due - time.monotonic()))

    def _run(self) -> None:
        while True:
            line = self._next()
            if line is None:
                return
            try:
                view = memoryview(line)
                while view:
                    view = view[os.write(self._fd, view):]
            except OSError:
                with self._changed:
                    self._broken = True
                    self._out.clear()
                    self._changed.notify_all()
                self._on_gone()
                return


# ---- cancel ---------------------------------------------------------------------------------------------------------

class CancelGuard:
    """What on_cancel() returns. As a context manager: after the block the callback is never called, and one that is
    just running has ended (so it must not wait for something that the owner does later)."""

    def __init__(self, callback: Callable[[], Any], looks: bool = True):
        self._lock, self._callback = threading.RLock(), callback
        self._looks, self._removed = looks, False

    def remove(self) -> None:
        with self._lock:
            self._removed, self._callback = True, lambda: None

    def _fire(self) -> None:
        try:
            with self._lock:
                callback, self._callback = self._callback, lambda: None
                callback()
        except BaseException as error:
            _complain(f"a callback of on_cancel() raised {_describe(error)}")

    def __enter__(self) -> "CancelGuard":
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()


class _Token:
    """The cancel state of one job, and whether its turn has come. `cause` is "cancel", "leave" or "gone"."""

    def __init__(self, turn: bool, clock: _Clock):
        self._clock, self._changed = clock, threading.Condition()
        self._guards: List[CancelGuard] = []
        self.fired = self.observed = False
        self.turn, self.cause, self.reason = turn, "", ""

    def cancel(self, reason: str, cause: str) -> None:
        with self._changed:
            if self.fired:
                # A real cancel after a leave counts: then nothing is to be delivered.
                if cause == "cancel":
                    self.cause = cause
                return
            self.fired, self.cause, self.reason = True, cause, reason
            guards, self._guards = self._guards, []
            self._changed.notify_all()
        for guard in guards:
            self._start(guard)

    def on_cancel(self, callback: Callable[[], Any], looks: bool = True) -> CancelGuard:
        """`looks`: the job knows of the cancel once this is called."""
        guard = CancelGuard(callback, looks)
        with self._changed:
            if not self.fired:
                self._guards = [each for each in self._guards if not each._removed] + [guard]
                return guard
        self._start(guard)
        return guard

    def _start(self, guard: CancelGuard) -> None:
        if guard._removed:  # what it was for is over: the job has not looked
            return
        self.observed = self.observed or guard._looks
        try:
            threading.Thread(target=guard._fire, name="emprops cancel", daemon=True).start()
        except RuntimeError:  # no thread can be started: late is better than never
            guard._fire()

    def ask(self) -> bool:
        with self._changed:
            self.observed = self.observed or self.fired
            return self.fired

    def wait(self, seconds: float) -> bool:
        end = self._clock.now() + seconds
        with self._changed:
            while not self.fired:
                left = end - self._clock.now()
                if left <= 0:
                    return False
                self._changed.wait(min(left, self._clock.rest))
            self.observed = True
            return True

    def begin(self) -> None:
        with self._changed:
            self.turn = True
            self._changed.notify_all()

    def wait_turn(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self.turn or self.fired)
            self.observed = self.observed or self.fired
            return not self.fired


# ---- contexts -------------------------------------------------------------------------------------------------------

class ConnectorContext:
    """The connector's own line to the supervisor, outside of jobs. Thread-safe; nothing here raises or blocks."""

    def __init__(self, session: "_Session"):
        self._session = session

    def set_status(self, connected: bool, available: Optional[bool] = None, reason: str = "", service: str = "",
                   details: Optional[Mapping[str, Any]] = None) -> None:
        """State of the outside service; `available` false: no new jobs until it is true again."""
        self._session.set_status({"type": "status", "connected": bool(connected),
                                  "available": bool(connected if available is None else available),
                                  "reason": _text(reason), "service": _text(service), "details": _object(details)})

    def update_capabilities(self, capabilities: Optional[Mapping[str, Any]] = None,
                            job_types: Optional[Sequence[str]] = None, concurrency: Optional[int] = None) -> None:
        """New capabilities, job types or concurrency; what is None stays."""
        self._session.update_capabilities(capabilities, job_types, concurrency)

    def restart_service(self, reason: str = "") -> None:
        """Asks the supervisor to restart the companion service."""
        self._session.writer.send({"type": "restart_service", "reason": _text(reason)})

    def preparing(self, progress: Optional[float] = None, message: str = "") -> None:
        """For initialize(): it is not ready yet and works on it (a download, a model that loads). Call it every few
        seconds; it gives the start more time. A worker that does not know it (no prepare_timeout_ms) is not told."""
        if self._session.grown and not self._session.ready:
            self._session.writer.send_droppable(_present({"type": "preparing", "progress": _percent(progress),
                                                          "message": _text(message, 4096)}))

    def metrics(self, counters: Optional[Mapping[str, float]] = None,
                gauges: Optional[Mapping[str, float]] = None) -> None:
        """Figures for the operator's monitoring: what only grows, and what goes up and down. Names are
        [a-z][a-z0-9_]{0,63}, at most 50 in all; what is no such name or no number is left out. Not sent to a worker that
        does not know `preparing`."""
        if self._session.grown:
            self._session.writer.send_droppable({"type": "metrics", **{
                group: {name: value for name, value in list(values.items())[:50] if _is_figure(name, value, least)}
                for group, values, least in (("counters", counters, 0), ("gauges", gauges, -math.inf)) if values}})

    def log(self, level: str, message: str, fields: Optional[Mapping[str, Any]] = None) -> None:
        """A structured log line: level is trace, debug, info, warn or error."""
        self._session.log(level, message, fields)

    @property
    def stopping(self) -> bool:
        """True once the supervisor asked us to leave."""
        return self._session.draining


class JobContext:
    """The connector's line to the supervisor while one job runs, from any thread. After process_job() has returned
    calls do nothing. None raises but add_file() and run_program(), and none blocks but wait_*() and run_program()."""

    def __init__(self, session: "_Session", job: Job, token: _Token):
        self._session, self._job, self._token = session, job, token
        self._lock, self._open, self.released = threading.Lock(), True, False
        self._files: List[Dict[str, Any]] = []
        self._files_bytes = 0

    def progress(self, percent: Optional[float] = None, message: str = "", status: str = "processing",
                 details: Optional[Mapping[str, Any]] = None) -> None:
        """How far the job is, 0 to 100; None: alive, amount unknown. Call it as often as you like."""
        line = {"type": "progress", "job_id": self._job.job_id, "progress": _percent(percent),
                "status": _text(status, 4096), "message": _text(message, 4096), "details": _object(details)}
        with self._lock:
            if self._open and self._token.turn:
                self._session.writer.progress(self._job.job_id, _present(line))

    @property
    def cancelled(self) -> bool:
        """True once the job was cancelled, or the connector must leave. Return soon: nothing is delivered then. (A job
        that ends well without having looked while the connector leaves is.)"""
        return self._token.ask()

    @property
    def cancel_reason(self) -> str:
        return self._token.reason

    @property
    def supervisor_gone(self) -> bool:
        """True once `cancelled` is because the supervisor has gone without a word: the next one gives the job again."""
        return self._token.fired and self._token.cause == "gone"

    def wait_cancelled(self, seconds: float) -> bool:
        """Sleeps; True at once when the job is cancelled, False when the time is over. Coroutines: asyncio.sleep()."""
        return self._token.wait(seconds)

    def on_cancel(self, callback: Callable[[], Any]) -> CancelGuard:
        """`callback` runs once when the job is cancelled (at once if it already is), on another thread."""
        return self._token.on_cancel(callback)

    @property
    def has_turn(self) -> bool:
        return self._token.turn

    def wait_turn(self) -> bool:
        """With Features.prepare: what is before may be done while another job runs. True: begin. False: cancelled."""
        return self._token.wait_turn()

    def service_request(self, service: str = "", request_type: str = "",
                        content: Optional[Mapping[str, Any]] = None) -> None:
        """What is sent to the outside service; call it right before the job is handed over there."""
        self._say({"type": "service_request", "job_id": self._job.job_id, "service": _text(service),
                   "request_type": _text(request_type), "content": _object(content) or {}})

    def accepted(self) -> None:
        """The service has begun this job, which service_request() told of before."""
        self._say({"type": "accepted", "job_id": self._job.job_id})

    def log(self, level: str, message: str, fields: Optional[Mapping[str, Any]] = None) -> None:
        self._session.log(level, message, {"job_id": self._job.job_id, **(fields or {})})

    def release(self) -> bool:
        """What is scarce (the GPU) is free: the next job begins while this one fetches or writes its files."""
        if not self._token.turn:
            return False
        with self._lock:
            if self.released or not self._open or not self._session.take_release():
                return self.released and self._open
            self.released = True
            self._session.writer.send({"type": "released", "job_id": self._job.job_id})
            return True

    def add_file(self, path: Union[str, "os.PathLike[str]"] = "", *, url: str = "", name: str = "", mime_type: str = "",
                 kind: str = "", node: str = "", deliver: Sequence[str] = (), strip_metadata: bool = False,
                 **more: Any) -> Dict[str, int]:
        """Adds a file in Job.work_dir to the result; the worker delivers it. Returns what stands for its entry in the
        result: put it there, once or more often. Raises JobFailure "unsupported" if the worker takes no files,
        "result_too_large" for too many, "protocol_error" for a path, URL or name that cannot be."""
        offer = self._session.settings.files
        if offer is None:
            raise JobFailure("unsupported", "this worker takes no files of results (its `hello` has no `files`): it is "
                             "older than this connector; update it", False)
        file = {**more, "path": os.fspath(path), "url": url, "name": name, "mime_type": mime_type, "kind": kind,
                "node": node, "deliver": list(deliver), "strip_metadata": strip_metadata}
        file = {key: value for key, value in file.items() if key in more or value}
        with self._lock:
            index = len(self._files)
            _check_file(file, f"files[{index}]")
            size = len(_line(_json_of(file, f"files[{index}]")))
            if index >= min(offer.max_files, _MAX_FILES) or self._files_bytes + size >= _MAX_FILES_BYTES:
                raise JobFailure("result_too_large", f"the files of the result are too many: the worker takes "
                                 f"{min(offer.max_files, _MAX_FILES)}, and {_MAX_FILES_BYTES} bytes about them", False)
            self._files.append(file)
            self._files_bytes += size
            return {"$file": index}

    def run_program(self, argv: Sequence[Union[str, "os.PathLike[str]"]], *, input: Optional[bytes] = None,
                    cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None, timeout: Optional[float] = None,
                    max_output: int = 1 << 20, check: bool = True,
                    on_line: Optional[Callable[[str], None]] = None) -> ProgramResult:
        """Runs a program in a process group of its own, in Job.work_dir, without our stdin and stdout. A cancel ends
        the whole group (SIGTERM, SIGKILL after 2 s) and raises JobFailure("cancelled"); `timeout` raises "timeout".
        What it leaves behind in its group ends with it. `on_line` gets each line of stdout and stderr (ended by \\n or
        \\r) while it runs, on other threads. With `check` an exit code that is not 0 raises, and names the last line
        on stderr."""
        return _Program(self, [os.fspath(word) for word in argv], max_output, on_line).run(
            input, cwd or self._job.work_dir or None, env, timeout, check)

    async def run_program_async(self, argv: Sequence[Union[str, "os.PathLike[str]"]], **options: Any) -> ProgramResult:
        """run_program() for coroutines."""
        return await asyncio.to_thread(self.run_program, argv, **options)

    async def wait_turn_async(self) -> bool:
        return await asyncio.to_thread(self.wait_turn)

    def _say(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            if self._open and self._token.turn:
                self._session.writer.send_droppable(message)

    def _close(self) -> None:
        with self._lock:
            self._open = False


def _is_figure(name: Any, value: Any, least: float) -> bool:
    return (isinstance(name, str) and re.fullmatch("[a-z][a-z0-9_]{0,63}", name) is not None
            and isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 and value >= least)


def _percent(value: Any) -> Optional[int]:
    try:
        return None if value is None or value != value else round(min(max(value, 0), 100))
    except (TypeError, ValueError, OverflowError):
        return None


def _present(message: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: value for key, value in message.items() if value is not None}


def _check_file(file: Mapping[str, Any], place: str) -> None:
    def refuse(what: str) -> None:
        raise JobFailure("protocol_error", f"{place} {what}", False)

    for key in ("path", "url", "name", "mime_type", "kind", "node"):
        if key in file and not isinstance(file[key], str):
            refuse(f"has a {key} that is no text")
    path, url = file.get("path", ""), file.get("url", "")
    if not path and not url:
        refuse("needs a path or a url")
    if ".." in path.split("/") or "\0" in path or path.rsplit("/", 1)[-1] in ("", ".") and path:
        refuse(f"has the path {path!r}: it must lead to a file in the job's work_dir, without `..`")
    if url and "://" not in url:
        refuse(f"has the url {url!r}, which is not absolute")
    name = file.get("name", "")
    if name in (".", "..") or "/" in name or "\0" in name or len(name.encode("utf-8", "replace")) > 255:
        refuse(f"has the name {_text(name, 100)!r}, which no file can have")
    if any(not isinstance(store, str) or not store for store in file.get("deliver", [])):
        refuse("has a store that is no name in deliver")


def _check_marks(result: Any, files: int) -> None:
    """Each file is mentioned, and each mark has a file, as the supervisor asks for."""
    seen, level, depth = set(), [result], 0
    while level:
        depth += 1
        below: List[Any] = []
        for each in level:
            number = each.get("$file") if isinstance(each, dict) and len(each) == 1 else None
            if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
                if number >= files:
                    raise JobFailure("protocol_error", f"the result mentions file {number}, and there are {files} (put "
                                     "what add_file() returned into it)", False)
                if depth > _MAX_MARK_DEPTH:
                    raise JobFailure("protocol_error", f"the result mentions file {number} too deep", False)
                seen.add(number)
            below += [item for item in (each.values() if isinstance(each, dict) else each)
                      if isinstance(item, (dict, list, tuple))]
        level = below
    for number in range(files):
        if number not in seen:
            raise JobFailure("protocol_error", f"the result does not mention file {number} (put what add_file() "
                             "returned into it)", False)


# ---- programs -------------------------------------------------------------------------------------------------------

class _Program:
    grace = 2.0

    def __init__(self, context: JobContext, argv: List[str], max_output: int, on_line: Optional[Callable[[str], None]]):
        self._context, self._argv, self._limit, self._on_line = context, argv, max_output, on_line
        self._lock, self._ended, self._stopped = threading.Lock(), False, ""
        self._truncated = False

    def run(self, input: Optional[bytes], cwd: Optional[str], env: Optional[Mapping[str, str]],
            timeout: Optional[float], check: bool) -> ProgramResult:
        if self._context.cancelled:
            raise JobFailure("cancelled", self._context.cancel_reason)
        variables = dict(os.environ if env is None else env)
        if "EMPROPS_INSTANCE" in os.environ:  # by it the worker finds what we leave behind
            variables["EMPROPS_INSTANCE"] = os.environ["EMPROPS_INSTANCE"]
        name = _text(self._argv[0] if self._argv else "", 200)
        try:
            process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, env=variables,
                                       start_new_session=True)
        except (OSError, ValueError, IndexError) as error:
            raise JobFailure("internal", f"cannot start `{name}`: {_text(error, 500)}") from None
        kept = [bytearray(), bytearray()]
        threads = [threading.Thread(target=self._pump, args=pair, daemon=True)
                   for pair in zip((process.stdout, process.stderr), kept)]
        if input is not None:
            threads.append(threading.Thread(target=self._feed, args=(process.stdin, input), daemon=True))
        for thread in threads:
            thread.start()
        clock = threading.Timer(timeout, self._stop, (process.pid, "timeout")) if timeout is not None else None
        if clock:
            clock.daemon = True
            clock.start()
        with self._context.on_cancel(lambda: self._stop(process.pid, "cancelled")):
            try:
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # its number is its group's until it is reaped
            except ChildProcessError:
                pass  # somebody else in this process has reaped it
            with self._lock:
                self._ended = True
                _kill_group(process.pid, signal.SIGKILL)
                process.wait()
        if clock:
            clock.cancel()
        for thread in threads:
            thread.join(self.grace)  # a grandchild that left the group may hold a pipe: it does not hold the job
        stdout, stderr = (bytes(each).decode("utf-8", "replace") for each in kept)
        if self._stopped == "cancelled":
            raise JobFailure("cancelled", self._context.cancel_reason)
        if self._stopped == "timeout":
            raise JobFailure("timeout", f"`{name}` did not end within {timeout} s")
        if check and process.returncode != 0:
            last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
            end = f"exit code {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
            raise JobFailure("internal", f"`{name}` ended with {end}"
                             + (f"; its last line on stderr: {_text(last, 1000)}" if last else ""))
        return ProgramResult(process.returncode, stdout, stderr, self._truncated)

    def _stop(self, pid: int, why: str) -> None:
        with self._lock:
            if self._ended:
                return
            self._stopped = self._stopped or why
            _kill_group(pid, signal.SIGTERM)
        timer = threading.Timer(self.grace, self._end, (pid,))
        timer.daemon = True
        timer.start()

    def _end(self, pid: int) -> None:
        with self._lock:
            if not self._ended:
                _kill_group(pid, signal.SIGKILL)

    def _pump(self, pipe: Any, kept: bytearray) -> None:
        line = bytearray()
        while True:
            data = os.read(pipe.fileno(), 64 << 10)
            if not data:
                break
            kept += data
            if len(kept) > self._limit:
                del kept[:len(kept) - self._limit]
                self._truncated = True
            if self._on_line is None:
                continue
            *whole, rest = bytes(line + data).replace(b"\r", b"\n").split(b"\n")
            line = bytearray(rest[-_MAX_TEXT:])
            for each in whole:
                self._tell(each)
        if line:
            self._tell(bytes(line))
        pipe.close()

    def _tell(self, line: bytes) -> None:
        try:
            if line and self._on_line is not None:
                self._on_line(line.decode("utf-8", "replace"))
        except Exception as error:
            _complain(f"on_line of run_program() raised {_describe(error)}")
            self._on_line = None

    @staticmethod
    def _feed(pipe: Any, data: bytes) -> None:
        try:
            with pipe:
                pipe.write(data)
        except OSError:  # it did not want all of it
            pass


def _kill_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except OSError:
        pass


# ---- the connector --------------------------------------------------------------------------------------------------

class Connector:
    """initialize() is called once, then process_job() for each job (on a thread of its own, or in the loop if it is a
    coroutine), up to `concurrency` at a time, then shutdown(). name, version, job_types, capabilities, concurrency and
    features may be values or methods. Each of the functions may be a coroutine; they share one loop."""

    name: Any = ""
    version: Any = ""
    job_types: Any = ()        # none: what [connectors.NAME] job_types says
    capabilities: Any = None
    concurrency: Any = 1       # where the configuration does not say it
    features: Any = Features()

    def initialize(self, settings: ConnectorSettings, context: ConnectorContext) -> Any:
        """Prepares the connector. Raise ConfigurationError for wrong settings; other exceptions are retried."""

    def check_settings(self, settings: ConnectorSettings) -> Sequence[str]:
        """For `emprops-worker check-config`: reads the settings and touches nothing else. Raises the ConfigurationError
        that initialize() would raise, returns what it would warn of."""
        return []

    def process_job(self, job: Job, context: JobContext) -> Any:
        """Returns the result, a dict (or a RawResult). Raises to fail the job."""
        raise NotImplementedError("this connector has no process_job()")

    def shutdown(self) -> Any:
        """Cleans up, once no job runs any more."""


def _asked(connector: Connector, what: str) -> Any:
    value = getattr(connector, what)
    return value() if callable(value) else value


class _Loop:
    """One asyncio loop on a thread of its own, for everything of a connector that is a coroutine. Begun when needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def run(self, awaitable: Any, token: Optional[_Token] = None) -> Any:
        """Waits for it on this thread; a cancel of the token is a CancelledError inside."""
        loop, done, box = self._get(), threading.Event(), []

        async def guarded() -> None:
            try:
                box.append((await awaitable, None))
            except BaseException as error:  # SystemExit would end the loop, for all jobs
                box.append((None, error))

        def finished(_: Any) -> None:
            if not box:
                box.append((None, asyncio.CancelledError()))
            done.set()

        def begin() -> None:
            task = loop.create_task(guarded())
            task.add_done_callback(finished)
            if token is not None:
                token.on_cancel(lambda: loop.call_soon_threadsafe(cancel, task), looks=False)

        def cancel(task: Any) -> None:
            # A coroutine that has returned has not looked.
            if task.cancel():
                token.observed = True

        loop.call_soon_threadsafe(begin)
        done.wait()
        value, error = box[0]
        if error is not None:
            raise error
        return value

    def _get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._forever, args=(self._loop,), name="emprops loop", daemon=True).start()
            return self._loop

    @staticmethod
    def _forever(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while True:
            try:
                loop.run_forever()
                return loop.close()
            except BaseException as error:  # a task of the author's called sys.exit()
                _complain(f"a task in the asyncio loop raised {_describe(error)}")

    def stop(self) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)


# ---- one process's conversation -------------------------------------------------------------------------------------

class _Session:
    """Reads, gives jobs their threads, leaves. `force` ends the process when the author's code does not return."""

    end_of_input_limit, terminate_limit, gone_limit = 2.0, 4.0, 2.0  # below the steps of the supervisor's stop

    def __init__(self, connector: Connector, name: str, fds: Tuple[int, int], force: Callable[[], None]):
        self.connector, self.name, self._in, self._force = connector, name, fds[0], force
        self.clock, self.loop = _Clock(), _Loop()
        self.wake_read, self.wake_write = os.pipe()
        for fd in (self.wake_read, self.wake_write):
            os.set_blocking(fd, False)
        self._changed = threading.Condition(threading.RLock())
        self.settings, self.hello = ConnectorSettings(), None  # type: ConnectorSettings, Optional[Dict[str, Any]]
        self.jobs: Dict[str, JobContext] = {}
        self.max_line, self.concurrency = 24 << 20, 1
        self.ready = self.draining = self.finished = False
        self._releases, self._running = 0, 0
        self._held: List[Dict[str, Any]] = []
        self._status: Optional[Dict[str, Any]] = None
        self._deadline: Optional[float] = None
        self._why = ""
        self.writer = _Writer(fds[1], lambda: self.leave("the supervisor reads no more", self.gone_limit, "gone"))
        self.reader = threading.Thread(target=self._read, name="emprops reader", daemon=True)

    # -- life

    @property
    def grown(self) -> bool:
        """The supervisor knows `preparing` and `metrics`."""
        return self.hello is not None and "prepare_timeout_ms" in self.hello

    def run(self) -> int:
        self.reader.start()
        with self._changed:
            self._changed.wait_for(lambda: self.hello is not None or self._deadline is not None)
        if self.hello is None:
            return 0
        try:
            ready = self._start(self.hello)
        except BaseException as error:
            return self._give_up(error)
        with self._changed:
            if self._deadline is None:
                self.writer.send(ready)
                for line in self._held:
                    self.writer.send(line)
                self._held, self.ready = [], True
            self._changed.wait_for(lambda: self._deadline is not None and self._running == 0)
        try:
            self._finish(self.connector.shutdown())
        except BaseException as error:
            _complain(f"{self.name}: shutdown() raised {_describe(error)}")
        self.writer.flush()
        return 0

    def _finish(self, value: Any, token: Optional[_Token] = None) -> Any:
        return self.loop.run(value, token) if inspect.isawaitable(value) else value

    def _start(self, hello: Dict[str, Any]) -> Dict[str, Any]:
        versions = _said(hello, "protocol_versions", list, [PROTOCOL_VERSION])
        if PROTOCOL_VERSION not in versions:
            raise JobFailure("unsupported", f"this connector speaks protocol version {PROTOCOL_VERSION}, the "
                             f"supervisor offers {versions}; use the SDK that belongs to the supervisor", False)
        self._finish(self.connector.initialize(self.settings, ConnectorContext(self)))
        features: Features = _asked(self.connector, "features") or Features()
        names = [name for name in ("cancel", "status", "resume", "prepare", "files") if getattr(features, name)]
        if self.settings.files is None and "files" in names:
            names.remove("files")  # a worker that takes none would complain
        own = _asked(self.connector, "concurrency")
        self.concurrency = max(1, min(1000, int(self.settings.concurrency or own or 1)))
        ready: Dict[str, Any] = {"type": "ready", "protocol": PROTOCOL_VERSION, "name": self.name}
        version = _text(_asked(self.connector, "version") or "", 1000)
        if version:
            ready["version"] = version
        types = [_text(each) for each in _asked(self.connector, "job_types") or ()]
        if types:
            ready["job_types"] = types
        ready.update(capabilities=_object(_asked(self.connector, "capabilities")) or {}, concurrency=self.concurrency,
                     features=names + ["ping"])
        return ready

    def _give_up(self, error: BaseException) -> int:
        if not isinstance(error, (JobFailure, ConfigurationError)):
            traceback.print_exception(type(error), error, error.__traceback__)
        said = _error_of(error)
        said.setdefault("retryable", True)
        _complain(f"{self.name} cannot start: {said['message']}")
        self.writer.send({"type": "init_failed", "error": said})
        self.leave("it could not start", self.gone_limit)  # from here the reader guards the time
        self.writer.flush()
        return _EXIT_INTERNAL if said["retryable"] else _EXIT_CONFIGURATION

    def leave(self, reason: str, limit: float, cause: str = "leave") -> None:
        with self._changed:
            if self._deadline is None:
                self._why = reason
            deadline = self.clock.now() + limit
            self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)
            self.draining = True
            jobs = list(self.jobs.values())
            self._changed.notify_all()
        for context in jobs:
            context._token.cancel(reason, cause)
        self._wake(b"\0")

    def end(self) -> None:
        """Ends the threads: for tests, where the process lives on."""
        self.writer.close()
        self.loop.stop()
        with self._changed:
            self.finished = True
        self._wake(b"\0")
        self.reader.join()
        for fd in (self.wake_read, self.wake_write):
            os.close(fd)

    def _wake(self, what: bytes) -> None:
        try:
            os.write(self.wake_write, what)
        except OSError:
            pass

    # -- the reader

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self.wake_read, select.POLLIN)
        poll.register(self._in, select.POLLIN)
        pending, size = [], 0  # type: List[bytes], int
        while True:
            now = self.clock.now()
            with self._changed:
                deadline = self._deadline
                if self.finished:
                    return
            if deadline is not None and now >= deadline:
                return self._leave_by_force()
            wait = self.clock.rest if deadline is None else min(self.clock.rest, deadline - now)
            ready = {fd for fd, _ in poll.poll(math.ceil(wait * 1000))}
            if self.wake_read in ready:
                woken = os.read(self.wake_read, 4096)
                if signal.SIGTERM in woken or signal.SIGINT in woken:
                    self.leave("terminated by SIGTERM", self.terminate_limit)
            if self._in not in ready:
                continue
            try:
                data = os.read(self._in, 256 << 10)
            except OSError:
                data = b""
            *ended, rest = data.split(b"\n") if data else [b"", b""]
            for part in ended:
                self._take(b"".join(pending) + part, size + len(part))
                pending, size = [], 0
            size += len(rest)
            if size <= _MAX_INPUT_LINE or not pending:
                pending.append(rest)
            if not data:
                poll.unregister(self._in)
                with self._changed:
                    leaving = self._deadline is not None
                if not leaving:  # after `shutdown` stdin is closed at once, and the grace still holds
                    self.leave("the supervisor closed stdin", self.end_of_input_limit, "gone")

    def _take(self, line: bytes, size: int) -> None:
        try:
            if size > _MAX_INPUT_LINE:
                return self._overlong(line, size)
            text = line.decode("utf-8").strip(" \t\r")
            if text:
                self._handle(*_parse(text))
        except Exception as error:
            _complain(f"{self.name}: a line of the supervisor is not acceptable: {_describe(error)}")

    def _overlong(self, line: bytes, size: int) -> None:
        problem = f"its line has {size} bytes, and a connector takes {_MAX_INPUT_LINE}"
        _complain(f"{self.name}: a line of the supervisor was skipped: {problem}")
        prefix = b'{"type":"job","job_id":'
        if line.startswith(prefix):
            job_id, _ = json.JSONDecoder().raw_decode(line[len(prefix):len(prefix) + 4096].decode("utf-8", "ignore"))
            self._fail(job_id, "invalid_payload", problem, False)

    def _handle(self, message: Dict[str, Any], payload: str) -> None:
        kind = message.get("type")
        job_id = message.get("job_id")
        if kind == "hello":
            with self._changed:
                if self.hello is None:
                    self.max_line = _said(message, "max_line_bytes", int, self.max_line)
                    self.settings, self.hello = _settings_of(message), message
                    self._changed.notify_all()
        elif kind == "ping":
            self.writer.send({"type": "pong", "id": message["id"]})
        elif kind == "drain":
            with self._changed:
                self.draining = True
        elif kind == "shutdown":
            self.leave("the supervisor asked for it", _said(message, "grace_ms", int, 10_000) / 1000)
        elif isinstance(job_id, str) and job_id:
            self._of_job(kind, job_id, message, payload)

    def _of_job(self, kind: Any, job_id: str, message: Dict[str, Any], payload: str) -> None:
        with self._changed:
            context = self.jobs.get(job_id)
            if kind == "job" and context is None:
                return self._give(job_id, message, payload)
            if kind == "begin" and context is not None and not context.has_turn:
                self.writer.send({"type": "accepted", "job_id": job_id})
                context._token.begin()
        if kind == "job":
            _complain(f"{self.name}: job {job_id} was given twice; the second one is ignored")
        elif kind == "cancel" and context is not None:
            context._token.cancel(_said(message, "reason", str, ""), "cancel")

    def _give(self, job_id: str, message: Dict[str, Any], payload: str) -> None:
        prepare = message.get("prepare") is True
        same = sum(1 for each in self.jobs.values() if each.has_turn != prepare and not each.released)
        refusal = ("the connector is not ready yet" if not self.ready else
                   "the connector is leaving" if self.draining else
                   "another job is being prepared" if prepare and same > 0 else
                   f"all {self.concurrency} slots of the connector are taken"
                   if not prepare and same >= self.concurrency else "")
        if refusal:
            return self._fail(job_id, "not_started", refusal)
        context = JobContext(self, Job(message, payload), _Token(not prepare, self.clock))
        thread = threading.Thread(target=self._run_job, args=(context,), name="emprops job", daemon=True)
        self.jobs[job_id] = context
        self._running += 1
        if not prepare:
            self.writer.send({"type": "accepted", "job_id": job_id})
        try:
            thread.start()
        except RuntimeError as error:
            del self.jobs[job_id]
            self._running -= 1
            self._fail(job_id, "not_started", f"no thread for it: {error}")

    def _fail(self, job_id: str, code: str, message: str, retryable: bool = True) -> None:
        self.writer.send(_failed(job_id, {"code": code, "message": message, "retryable": retryable}))

    def _leave_by_force(self) -> None:
        with self._changed:
            jobs = list(self.jobs)
        running = "; still running: " + ", ".join(jobs) if jobs else ""
        _complain(f"{self.name} leaves by force ({self._why}){running}")
        self._force()

    # -- jobs

    def _run_job(self, context: JobContext) -> None:
        job_id = context._job.job_id
        try:
            line = self._line_of(context)
        except BaseException as error:  # the SDK's own fault; the job must end all the same
            line = _ended(job_id, "internal", _describe(error))
        if len(line) - 1 > self.max_line:
            line = _line(_dump(_failed(job_id, {
                "code": "result_too_large", "retryable": False,
                "message": f"the line that ends the job has {len(line) - 1} bytes, and the supervisor takes "
                           f"{self.max_line} (max_line_bytes); return less, or add_file() what is large"})))
        context._close()
        with self._changed:  # before the supervisor can know that the slot is free
            del self.jobs[job_id]
            self._releases -= context.released
        self.writer.finish(job_id, line)
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def _line_of(self, context: JobContext) -> bytes:
        job_id, token = context._job.job_id, context._token
        try:
            result = self._finish(self.connector.process_job(context._job, context), token)
            line = _result_line(job_id, result, context._files)
        except BaseException as error:
            if not token.fired and not isinstance(error, (JobFailure, ConfigurationError)):
                traceback.print_exception(type(error), error, error.__traceback__)
            line = _line(_dump(_failed(job_id, _error_of(error))))
        # A job that was told to stop is not reported as what it returned: that is half done, or an echo of the cancel.
        if token.fired and token.cause == "cancel":
            return _ended(job_id, "cancelled", f"the job was cancelled: {token.reason}")
        if token.fired and token.observed:
            return _ended(job_id, "drained", f"the connector had to leave before the job was done: {token.reason}")
        return line

    def take_release(self) -> bool:
        with self._changed:
            offer = self.settings.files
            if offer is None or self._releases >= offer.released:
                return False
            self._releases += 1
            return True

    # -- messages of the connector's own

    def set_status(self, status: Dict[str, Any]) -> None:
        status = _present(status)
        with self._changed:
            if status == self._status:  # connectors poll; the Hub need not hear of it
                return
            self._status = status
            self._when_ready(status)

    def update_capabilities(self, capabilities: Optional[Mapping[str, Any]], job_types: Optional[Sequence[str]],
                            concurrency: Optional[int]) -> None:
        with self._changed:
            if concurrency is not None:
                # What is configured stays in force, as in `ready`.
                self.concurrency = max(1, min(1000, int(self.settings.concurrency or concurrency)))
            self._when_ready(_present({
                "type": "capabilities", "capabilities": None if capabilities is None else _object(capabilities) or {},
                "job_types": None if job_types is None else [_text(each) for each in job_types],
                "concurrency": None if concurrency is None else self.concurrency}))

    def _when_ready(self, message: Dict[str, Any]) -> None:
        if self.ready:
            self.writer.send(message)
        else:
            self._held.append(message)

    def log(self, level: str, message: str, fields: Optional[Mapping[str, Any]]) -> None:
        word = str(level).lower() if isinstance(level, str) else "info"
        level = {"warning": "warn", "critical": "error", "fatal": "error"}.get(word, word)
        level = level if level in ("trace", "debug", "info", "warn", "error") else "info"
        self.writer.send_droppable(_present({"type": "log", "level": level, "message": _text(message),
                                             "fields": _object(fields)}))


def _parse(text: str) -> Tuple[Dict[str, Any], str]:
    """A message without its payload, and the payload's text. The supervisor promises that `payload` stands last; inside
    of a string its quotes would be escaped, so the first place is the right one. A person may type it otherwise."""
    at = text.find(',"payload":')
    if at > 0:
        try:
            head = json.loads(text[:at] + "}")
            if isinstance(head, dict) and {"type", "job_id", "work_dir"} <= head.keys():
                return head, text[at + len(',"payload":'):].rstrip()[:-1]
        except ValueError:
            pass
    message = json.loads(text)
    if not isinstance(message, dict):
        raise ValueError("it is no object")
    payload = message.pop("payload", {})
    return message, json.dumps(payload) if message.get("type") == "job" else ""


def _failed(job_id: str, error: Mapping[str, Any]) -> Dict[str, Any]:
    return {"type": "failed", "job_id": job_id, "error": dict(error)}


def _ended(job_id: str, code: str, message: str) -> bytes:
    return _line(_dump(_failed(job_id, {"code": code, "message": message})))


def _result_line(job_id: str, result: Any, files: List[Dict[str, Any]]) -> bytes:
    head: Dict[str, Any] = {"type": "result", "job_id": job_id}
    if isinstance(result, RawResult):
        try:
            text = result.text.replace("\r", " ").replace("\n", " ").strip()
            result = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError, AttributeError, TypeError) as error:
            raise JobFailure("protocol_error", f"the RawResult is no JSON: {_text(error, 500)}", False) from None
        if isinstance(result, dict) and _too_deep(result, _MAX_DEPTH):
            raise JobFailure("protocol_error", f"the result is nested deeper than {_MAX_DEPTH} levels", False)
    else:
        text = "" if not isinstance(result, dict) else _json_of(result, "result")
    if not isinstance(result, dict):
        raise JobFailure("protocol_error", f"the result must be an object (a dict), but is of type "
                         f"{type(result).__name__}", False)
    if files:
        _check_marks(result, len(files))
        head["files"] = files
    return _line(f"{_dump(head)[:-1]},\"result\":{text}}}")


# ---- main -----------------------------------------------------------------------------------------------------------

def run_connector(connector: Connector) -> int:
    """Speaks the protocol until the supervisor ends it. Returns the exit code for main: 0 after a clean end, 78 for a
    ConfigurationError, 70 for another failed initialize(). Call it on the main thread."""
    name = _asked(connector, "name") or os.path.splitext(os.path.basename(sys.argv[0] or "connector"))[0]
    if "--check-settings" in sys.argv[1:]:
        return _check_settings(connector)
    if "--version" in sys.argv[1:]:
        return _answer(f"{name} {_asked(connector, 'version') or '(no version)'}\n", 0)
    if "--help" in sys.argv[1:] or "-h" in sys.argv[1:] or _protocol_fds is None:
        asked = "--help" in sys.argv[1:] or "-h" in sys.argv[1:]
        return _answer(_HELP.replace("NAME", name).replace("PROGRAM", sys.argv[0]), 0 if asked else _EXIT_USAGE)
    global _running
    session = _running = _Session(connector, name, _protocol_fds, lambda: os._exit(_EXIT_INTERNAL))
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, handlers=[LogHandler(ConnectorContext(session))])
    for number in (signal.SIGTERM, signal.SIGINT):
        # The descriptor below is written to even while native code runs; this one if an author's loop takes it away.
        signal.signal(number, lambda number, _: session._wake(bytes([number])))
    signal.set_wakeup_fd(session.wake_write, warn_on_full_buffer=False)
    return session.run()


_HELP = """This is "NAME", a connector for emprops-worker. The worker starts it and talks to it over stdin and stdout,
one JSON object per line. To use it, name it in emprops-worker.toml:
    [connectors.NAME]
    command = ["PROGRAM"]

To try it without a worker, send it the worker's first line; it answers with `ready` and takes jobs:
    (echo '{"type":"hello","protocol_versions":[1]}'; cat) | EMPROPS_CONNECTOR=1 PROGRAM

Options: --help, --version
"""


def _answer(text: str, code: int) -> int:
    fd = 2 if code else 1 if _protocol_fds is None else _protocol_fds[1]
    os.write(fd, text.encode("utf-8", "backslashreplace"))
    return code


def _check_settings(connector: Connector) -> int:
    answer: Dict[str, Any] = {"type": "settings_checked", "warnings": []}
    try:
        with os.fdopen(os.dup(0 if _protocol_fds is None else _protocol_fds[0]), "rb") as stdin:
            hello = json.loads(stdin.readline(_MAX_INPUT_LINE))
        answer["warnings"] = [_text(each) for each in connector.check_settings(_settings_of(hello)) or ()]
    except ConfigurationError as wrong:
        answer["error"] = _text(wrong)
    return _answer(_line(_dump(answer)).decode(), 0)


class LogHandler(logging.Handler):
    """Python's logging as structured `log` messages. run_connector() installs it unless the root logger has some."""

    _levels = ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info"), (logging.DEBUG, "debug"))

    def __init__(self, context: ConnectorContext):
        super().__init__()
        self._context, self._pid = context, os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if os.getpid() != self._pid:  # a forked child has no line to the supervisor
                sys.stderr.write(self.format(record) + "\n")
                return
            level = next((word for number, word in self._levels if record.levelno >= number), "trace")
            fields: Dict[str, Any] = {"logger": record.name}
            if record.exc_info:
                fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))
            self._context.log(level, record.getMessage(), fields)
        except Exception:
            self.handleError(record)


# ---- for the tests of connectors ------------------------------------------------------------------------------------

class testing:
    """A supervisor in memory, so that handlers are unit-tested: testing.run(connector, payload)."""

    class Outcome:
        """What came of a job: `result` or `error` (the object of `failed`), `files`, and all `messages`."""

        def __init__(self, messages: List[Dict[str, Any]], job_id: str):
            self.messages = messages
            end = next(m for m in messages if m["type"] in ("result", "failed") and m["job_id"] == job_id)
            self.result: Optional[Dict[str, Any]] = end.get("result")
            self.error: Optional[Dict[str, Any]] = end.get("error")
            self.files: List[Dict[str, Any]] = end.get("files", [])
            self.progress = [m for m in messages if m["type"] == "progress" and m["job_id"] == job_id]
            self.log = [m for m in messages if m["type"] == "log"]

    class Supervisor:
        """with testing.Supervisor(connector) as worker: worker.give(payload); worker.wait("result")."""

        def __init__(self, connector: Connector, settings: Optional[Mapping[str, Any]] = None, timeout: float = 10.0,
                     **hello: Any):
            self._folder = tempfile.TemporaryDirectory(prefix="emprops-")
            self.timeout, self.exit_code, self.forced = timeout, None, False  # type: float, Optional[int], bool
            self.messages: List[Dict[str, Any]] = []
            self.lines: List[bytes] = []
            self._changed = threading.Condition()
            to_read, self._to = os.pipe()
            self._from, from_write = os.pipe()
            self._ends = (to_read, from_write)
            self._connector = connector
            self._session = _Session(connector, _asked(connector, "name") or "connector", self._ends, self._force)
            self._hello = {"type": "hello", "protocol_versions": [1], "worker_id": "test", "connector": "test",
                           "instance": 0, "max_line_bytes": 24 << 20, "work_dir": self._folder.name,
                           "heartbeat": {"interval_ms": 0, "missed": 3},
                           "files": {"stores": ["inline", "reference"], "max_files": 1000, "released": 2},
                           "settings": dict(settings or {}), **hello}

        def __enter__(self) -> "testing.Supervisor":
            self._readers = [threading.Thread(target=self._listen, daemon=True),
                             threading.Thread(target=self._live, daemon=True)]
            for thread in self._readers:
                thread.start()
            self.send(_present(self._hello))
            self.wait("ready", "init_failed")
            return self

        def __exit__(self, *_: Any) -> None:
            self.send({"type": "shutdown", "grace_ms": 2000})
            self.close_stdin()
            self._readers[1].join(self.timeout)
            self._session.end()
            os.close(self._ends[1])
            self._readers[0].join(self.timeout)
            for fd in (self._ends[0], self._from):
                os.close(fd)
            self._folder.cleanup()

        def send(self, message: Mapping[str, Any]) -> None:
            self.write(_line(_dump(message)))

        def write(self, data: bytes) -> None:
            view = memoryview(data)
            while view:
                view = view[os.write(self._to, view):]

        def close_stdin(self) -> None:
            if self._to >= 0:
                os.close(self._to)
                self._to = -1

        def give(self, payload: Optional[Mapping[str, Any]] = None, job_id: str = "job-1", job_type: str = "",
                 **more: Any) -> str:
            """Gives a job; returns its id."""
            types = _asked(self._connector, "job_types")
            folder = tempfile.mkdtemp(dir=self._folder.name)
            self.send({"type": "job", "job_id": job_id, "job_type": job_type or (types[0] if types else "test"),
                       "priority": 0, "attempt": 1, "resume": False, "work_dir": folder, **more,
                       "payload": dict(payload or {})})
            return job_id

        def cancel(self, job_id: str = "job-1", reason: str = "cancelled by the test") -> None:
            self.send({"type": "cancel", "job_id": job_id, "reason": reason})

        def wait(self, *types: str, job_id: Optional[str] = None, count: int = 1) -> Dict[str, Any]:
            """The message of one of these types (the count-th of them); AssertionError if it does not come in time."""
            def found() -> List[Dict[str, Any]]:
                return [m for m in self.messages if m["type"] in types and job_id in (None, m.get("job_id"))]

            with self._changed:
                if not self._changed.wait_for(lambda: len(found()) >= count, self.timeout):
                    raise AssertionError(f"no {' or '.join(types)} within {self.timeout} s; there were "
                                         f"{[m['type'] for m in self.messages]}")
                return found()[count - 1]

        def outcome(self, job_id: str = "job-1") -> "testing.Outcome":
            self.wait("result", "failed", job_id=job_id)
            return testing.Outcome(list(self.messages), job_id)

        def _listen(self) -> None:
            with os.fdopen(os.dup(self._from), "rb") as stream:
                for line in stream:
                    with self._changed:
                        self.lines.append(line)
                        self.messages.append(json.loads(line, parse_constant=_no_constant))
                        self._changed.notify_all()

        def _live(self) -> None:
            self.exit_code = self._session.run()

        def _force(self) -> None:
            self.forced, self.exit_code = True, _EXIT_INTERNAL

    @staticmethod
    def run(connector: Connector, payload: Optional[Mapping[str, Any]] = None, *, job_type: str = "",
            job_id: str = "job-1", settings: Optional[Mapping[str, Any]] = None, cancel_at: str = "",
            timeout: float = 10.0, **hello: Any) -> "testing.Outcome":
        """Starts the connector, gives it one job and returns what came of it. `cancel_at`: the type of the message
        ("accepted", "progress") at which the job is cancelled. More members of `hello` by name; files=None: none."""
        with testing.Supervisor(connector, settings, timeout, **hello) as worker:
            worker.give(payload, job_id, job_type)
            if cancel_at:
                worker.wait(cancel_at, job_id=job_id)
                worker.cancel(job_id)
            return worker.outcome(job_id)
