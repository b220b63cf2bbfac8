"""What the tests of the Python SDK and of the host of old connectors share: a connector as a real process, and a base
class that has every line checked that a connector has said (tests/support/check_messages)."""

import json
import os
import select
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SDK = os.path.join(ROOT, "connector-sdk", "python")
HOST = os.path.join(ROOT, "connectors", "python")
sys.path.insert(0, SDK)

CHECK_MESSAGES = os.environ.get("EMPROPS_CHECK_MESSAGES", os.path.join(ROOT, "build", "tests", "check_messages"))


def line_errors(lines):
    """What the supervisor's decoder and ipc/schemas have against a connector's lines (bytes), as text; empty: nothing.
    By hand, before anything is built, nobody looks; ctest says where the program is."""
    if not lines or not os.path.exists(CHECK_MESSAGES) and "EMPROPS_CHECK_MESSAGES" not in os.environ:
        return ""
    checked = subprocess.run([CHECK_MESSAGES], input=b"".join(line.rstrip(b"\n") + b"\n" for line in lines), stderr=subprocess.PIPE)
    return "" if checked.returncode == 0 else checked.stderr.decode("utf-8", "replace") or "nothing was said of them"


HELLO = {"type": "hello", "protocol_versions": [1], "worker_id": "w", "connector": "test", "instance": 0,
         "max_line_bytes": 24 << 20, "heartbeat": {"interval_ms": 10000, "missed": 3},
         "files": {"stores": ["inline"], "max_files": 1000, "released": 2}, "settings": {}}


class Process:
    """A connector as the worker starts it; the test is the supervisor. Ends with the test."""

    def __init__(self, argv, env=None, hello=None, cwd=None):
        self.lines, self._rest, self._scratch = [], b"", tempfile.TemporaryDirectory()
        self._stderr = tempfile.TemporaryFile()
        base = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "EMPROPS_CONNECTOR": "1",
                "EMPROPS_INSTANCE": f"test/0/{os.getpid()}", "PYTHONPATH": SDK, "PYTHONDONTWRITEBYTECODE": "1"}
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, bufsize=0,
                                      env={**base, **(env or {})}, cwd=cwd or self._scratch.name, start_new_session=True)
        if hello is not False:
            self.send({**HELLO, "work_dir": self._scratch.name, **(hello or {})})

    def send(self, message):
        self.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def write(self, data):
        view = memoryview(data)
        while view:
            view = view[self.child.stdin.write(view):]

    def job(self, payload=None, job_id="job-1", **more):
        folder = tempfile.mkdtemp(dir=self._scratch.name)
        self.send({"type": "job", "job_id": job_id, "job_type": "t", "priority": 0, "attempt": 1, "resume": False,
                   "work_dir": folder, **more, "payload": {} if payload is None else payload})

    def read_line(self, seconds=20.0):
        """The next line, bytes; None at the end of stdout."""
        end = time.monotonic() + seconds
        while b"\n" not in self._rest:
            if not select.select([self.child.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AssertionError(f"no line within {seconds} s; there were {self.lines[-5:]}; stderr: {self.stderr()}")
            data = self.child.stdout.read(1 << 16)
            if not data:
                return None
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        self.lines.append(line)
        return line

    def wait(self, *types, job_id=None):
        """The next message of one of these types."""
        while True:
            line = self.read_line()
            if line is None:
                raise AssertionError(f"it ended without {types}; stderr: {self.stderr()}")
            message = json.loads(line)
            if message["type"] in types and job_id in (None, message.get("job_id")):
                return message

    def stderr(self):
        self._stderr.seek(0)
        return self._stderr.read().decode("utf-8", "replace")

    def end(self, seconds=20):
        """Reads stdout to its end; returns the exit code."""
        while self.read_line(seconds) is not None:
            pass
        return self.child.wait(seconds)

    def close(self):
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe:
                pipe.close()
        try:
            os.killpg(self.child.pid, 9)
        except OSError:
            pass
        self.child.wait()
        self._stderr.close()
        self._scratch.cleanup()


class ConnectorTest(unittest.TestCase):
    """start() runs Python code as a connector; every line that it said is checked at the end."""

    def started(self, process):
        def check():
            process.close()
            self.assertEqual(line_errors(process.lines), "")

        self.addCleanup(check)
        return process

    def start(self, code, **options):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "connector.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(code))
        return self.started(Process([sys.executable, path], **options))


def handler(body, head="", **members):
    """The source of a connector whose process_job() has this body."""
    lines = [f"    {name} = {value!r}" for name, value in {"job_types": ["t"], **members}.items()]
    return "\n".join(["import asyncio, os, signal, subprocess, sys, threading, time", "from emprops_connector import *",
                      "import emprops_connector", textwrap.dedent(head), "class C(Connector):", *lines,
                      "    def process_job(self, job, context):", textwrap.indent(textwrap.dedent(body), " " * 8),
                      "if __name__ == '__main__':", "    raise SystemExit(run_connector(C()))", ""])
