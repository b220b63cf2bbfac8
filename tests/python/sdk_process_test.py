"""The Python SDK as a process: prints, children, signals, pipes that break, and how it leaves. Every line that it says
is held against ipc/schemas."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import support
from support import Process, handler


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pid):
    """It ends within some seconds: a signal has been sent, and arrives when it arrives."""
    end = time.monotonic() + 20
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not alive(pid)


class Stdio(support.ConnectorTest):
    def test_prints_of_all_kinds_reach_stderr_only(self):
        process = self.start(handler("""
            print("no newline", end="")
            sys.stdout.write("wide \\ud800\\n")
            os.write(1, b"descriptor\\n")
            os.system("echo child")
            subprocess.run(["sh", "-c", "echo another; cat"])
            return {"stdin": sys.stdin.read(), "zero": os.read(0, 10) == b""}
        """, head="print('before the class')"))
        process.wait("ready")
        process.job()
        self.assertEqual(process.wait("result")["result"], {"stdin": "", "zero": True})
        process.child.stdin.close()
        self.assertEqual(process.end(), 0)
        for text in ("before the class", "no newline", "descriptor", "child", "another"):
            self.assertIn(text, process.stderr())

    def test_children_have_no_pipe_of_the_protocol_and_sigpipe_as_it_should_be(self):
        process = self.start(handler("""
            look = "readlink /proc/self/fd/0 /proc/self/fd/1; ls -l /proc/self/fd; grep SigIgn /proc/self/status"
            pipes = {os.readlink(f"/proc/self/fd/{fd}") for fd in emprops_connector._protocol_fds}
            out = subprocess.run(["sh", "-c", look], stdout=subprocess.PIPE).stdout.decode()
            os.system("grep SigIgn /proc/self/status > ignored")
            ignored = [line for line in (out + open("ignored").read()).splitlines() if "SigIgn" in line]
            return {"seen": [pipe for pipe in pipes if pipe in out], "null": out.split()[0],
                    "sigpipe": [int(line.split()[1], 16) >> 12 & 1 for line in ignored],
                    "variable": "EMPROPS_CONNECTOR" in os.environ, "instance": "EMPROPS_INSTANCE" in os.environ}
        """))
        process.wait("ready")
        process.job()
        self.assertEqual(process.wait("result", "failed").get("result"),
                         {"seen": [], "null": "/dev/null", "sigpipe": [0, 0], "variable": False, "instance": True})

    def test_a_forked_child_cannot_speak_the_protocol(self):
        process = self.start(handler("""
            pid = os.fork()
            if pid == 0:
                for fd in emprops_connector._protocol_fds:
                    os.write(fd, b"from the child\\n")
                os._exit(0)
            os.waitpid(pid, 0)
            import multiprocessing
            child = multiprocessing.get_context("fork").Process(target=print, args=("from another",))
            child.start(); child.join()
            return {"code": child.exitcode}
        """))
        process.wait("ready")
        process.job()
        self.assertEqual(process.wait("result")["result"], {"code": 0})
        self.assertNotIn(b"from", b"".join(process.lines))

    def test_a_large_payload_and_a_flood_of_logs_arrive_whole(self):
        process = self.start(handler("""
            for number in range(5000):
                context.log("info", f"line {number}", {"number": number})
                print("x" * 100)
            return {"size": len(job.payload["text"]), "same": job.payload["text"] == "\\u00e9" * (4 << 20)}
        """))
        process.wait("ready")
        line = json.dumps({"type": "job", "job_id": "1", "job_type": "t", "priority": 0, "attempt": 1, "resume": False,
                           "work_dir": "/", "payload": {"text": "\u00e9" * (4 << 20)}}, separators=(",", ":"),
                          ensure_ascii=False).encode() + b"\n"
        for start in range(0, len(line), 4099):  # in the middle of letters, too
            process.write(line[start:start + 4099])
        self.assertEqual(process.wait("result", job_id="1")["result"], {"size": 4 << 20, "same": True})

    def test_logging_becomes_log_messages(self):
        process = self.start(handler("""
            import logging
            try:
                1 / 0
            except ZeroDivisionError:
                logging.getLogger("lib").exception("it %s", "broke")
            logging.debug("not this")
            return {}
        """))
        process.wait("ready")
        process.job()
        log = process.wait("log")
        self.assertEqual((log["level"], log["message"], log["fields"]["logger"]), ("error", "it broke", "lib"))
        self.assertIn("ZeroDivisionError", log["fields"]["traceback"])


class Busy(support.ConnectorTest):
    def test_pings_are_answered_while_handlers_block(self):
        for body, head in (("while not os.path.exists('go'): pass\nreturn {}", ""),
                           ("time.sleep(60)", ""), ("return self.never()", "async def never(self):\n    time.sleep(60)")):
            process = self.start(handler(body, head=head) if not head else handler(body, head=head).replace(
                "class C(Connector):", "class C(Connector):\n    never = never"))
            process.wait("ready")
            process.job()
            process.wait("accepted")
            for number in range(3):
                process.send({"type": "ping", "id": number})
                self.assertEqual(process.wait("pong")["id"], number)

    def test_a_hanging_handler_cannot_keep_the_process(self):
        for body, way, code in (("time.sleep(60)", "eof", 70), ("while True: pass", "shutdown", 70),
                                ("threading.Thread(target=time.sleep, args=(60,), daemon=False).start()\nreturn {}", "eof", 70),
                                ("return {'late': context.wait_cancelled(60)}", "eof", 0)):
            # Who ends by himself gets the time that a loaded machine needs.
            limit = 0.3 if code else 30
            process = self.start(handler(body, head=f"import emprops_connector as e\ne._Session.end_of_input_limit = {limit}"))
            process.wait("ready")
            process.job()
            process.wait("accepted")
            if way == "shutdown":
                process.send({"type": "shutdown", "grace_ms": 300})
            process.child.stdin.close()
            self.assertEqual(process.end(), code, body)

    def test_sigterm_ends_it_in_every_state(self):
        begun = self.start(handler("return {'late': context.wait_cancelled(60)}"))
        begun.wait("ready")
        begun.job()
        begun.wait("accepted")
        begun.child.send_signal(signal.SIGTERM)
        self.assertEqual(begun.wait("failed")["error"]["code"], "drained")
        self.assertEqual(begun.end(), 0)
        short = "import emprops_connector as e\ne._Session.terminate_limit = 0.3"
        starting = self.start(handler("return {}", head=short).replace(
            "    def process_job", "    def initialize(self, s, c):\n        c.log('info', 'x')\n        time.sleep(60)\n"
            "    def process_job"))
        starting.wait("log")
        starting.child.send_signal(signal.SIGTERM)
        self.assertEqual(starting.end(), 70)
        unasked = self.started(Process([sys.executable, "-c", handler("return {}")], hello=False))
        unasked.child.stdin.close()
        self.assertEqual(unasked.end(), 0)

    def test_a_supervisor_that_reads_no_more_blocks_no_handler(self):
        process = self.start(handler("""
            for number in range(100_000):
                context.log("info", "x" * 200)
                context.progress(number / 1000)
            open(job.payload["path"], "w").close()
            return {"done": True}
        """))
        process.wait("ready")
        with tempfile.TemporaryDirectory() as folder:
            process.job({"path": os.path.join(folder, "done")})
            end = time.monotonic() + 60
            while not os.path.exists(os.path.join(folder, "done")) and time.monotonic() < end:
                time.sleep(0.01)
            self.assertTrue(os.path.exists(os.path.join(folder, "done")))
        self.assertEqual(process.wait("result")["result"], {"done": True})
        while "were dropped" not in process.wait("log")["message"]:
            pass

    def test_time_in_which_it_was_stopped_does_not_count(self):
        process = self.start(handler("""
            began = time.monotonic()
            context.progress(1)
            cancelled = context.wait_cancelled(3)
            return {"cancelled": cancelled, "long": time.monotonic() - began > 5.5}
        """, head="emprops_connector._Clock.rest = 0.1"))
        process.wait("ready")
        process.job()
        process.wait("progress")
        process.child.send_signal(signal.SIGSTOP)
        time.sleep(4)  # this is the pause itself
        process.child.send_signal(signal.SIGCONT)
        self.assertEqual(process.wait("result")["result"], {"cancelled": False, "long": True})

    def test_a_line_beyond_the_limit_fails_its_job_and_is_not_kept(self):
        process = self.start(handler("return {}", head="emprops_connector._MAX_INPUT_LINE = 100_000"))
        process.wait("ready")
        process.job({"text": "x" * 3_000_000}, job_id="\u00e9\"big")
        error = process.wait("failed")
        self.assertEqual((error["job_id"], error["error"]["code"]), ("\u00e9\"big", "invalid_payload"))
        process.write(b"y" * 500_000 + b"\n")
        process.job(job_id="2")
        process.wait("result", job_id="2")

    def test_a_forked_child_has_signals_and_a_log_of_its_own(self):
        process = self.start(handler("""
            import logging, multiprocessing
            fork = multiprocessing.get_context("fork")
            sleeper = fork.Process(target=time.sleep, args=(60,))
            sleeper.start()
            sleeper.terminate()
            sleeper.join(50)
            noise = threading.Event()
            def log_on():
                while not noise.is_set():
                    logging.getLogger("parent").info("on")
            threading.Thread(target=log_on, daemon=True).start()
            codes = []
            for _ in range(20):
                child = fork.Process(target=logging.getLogger("child").warning, args=("from the child",))
                child.start()
                child.join(20)
                codes.append(child.exitcode)
                child.kill()
            noise.set()
            return {"sleeper": sleeper.exitcode, "children": sorted(set(codes), key=str)}
        """))
        process.wait("ready")
        process.job()
        self.assertEqual(process.wait("result")["result"], {"sleeper": -signal.SIGTERM, "children": [0]})

    def test_a_broken_pipe_ends_it(self):
        process = self.start(handler("context.wait_cancelled(60)\nreturn {'gone': context.supervisor_gone}"))
        process.wait("ready")
        process.job()
        process.wait("accepted")
        process.child.stdout.close()
        process.send({"type": "ping", "id": 1})
        self.assertEqual(process.child.wait(20), 0)


class Programs(support.ConnectorTest):
    def test_a_cancel_ends_the_whole_group(self):
        process = self.start(handler("""
            context.run_program(["sh", "-c", "trap '' TERM; sleep 60 & echo $! > pids; echo $$ >> pids; echo up; wait; wait"],
                                on_line=lambda line: context.progress(1, open(job.work_dir + "/pids").read()))
        """, head="emprops_connector._Program.grace = 0.2"))
        process.wait("ready")
        process.job()
        pids = [int(each) for each in process.wait("progress")["message"].split()]
        process.send({"type": "cancel", "job_id": "job-1", "reason": "enough"})
        self.assertEqual(process.wait("failed")["error"]["code"], "cancelled")
        self.assertEqual([gone(pid) for pid in pids], [True, True])

    def test_ends_outputs_and_limits(self):
        process = self.start(handler("""
            if job.payload["what"] == "all":
                big = context.run_program(["sh", "-c", "head -c 3000000 /dev/zero | tr '\\\\0' x; echo end"], max_output=1000)
                lines = []
                context.run_program(["printf", "a\\\\rb\\\\nc"], on_line=lines.append)
                fed = context.run_program(["tr", "a", "b"], input=b"a" * 300_000)
                ignored = context.run_program(["true"], input=b"a" * 300_000)
                left = context.run_program(["sh", "-c", "sleep 60 & echo $!"])
                return {"big": [len(big.stdout), big.truncated, big.stdout[-4:]], "lines": lines, "fed": len(fed.stdout),
                        "code": context.run_program(["sh", "-c", "exit 3"], check=False).exit_code,
                        "left": int(left.stdout), "here": os.path.samefile(job.work_dir, context.run_program(
                            ["pwd"]).stdout.strip())}
            context.run_program(job.payload["argv"], timeout=job.payload.get("timeout"))
        """, head="emprops_connector._Program.grace = 0.2"))
        process.wait("ready")
        process.job({"what": "all"})
        result = process.wait("result", "failed").get("result")
        self.assertTrue(gone(result.pop("left")))
        self.assertEqual(result, {"big": [1000, True, "end\n"], "lines": ["a", "b", "c"], "fed": 300_000, "code": 3,
                                  "here": True})
        for number, (argv, timeout, code, text) in enumerate((
                (["sh", "-c", "echo no model >&2; exit 4"], None, "internal", "exit code 4; its last line on stderr: no model"),
                (["sh", "-c", "kill -9 $$"], None, "internal", "signal 9"), (["sleep", "60"], 0.1, "timeout", "sleep"),
                (["/no/such"], None, "internal", "cannot start `/no/such`"), ([], None, "internal", "cannot start"),
                (["a\0b"], None, "internal", "cannot start"))):
            process.job({"what": "one", "argv": argv, "timeout": timeout}, job_id=str(number))
            error = process.wait("failed", job_id=str(number))["error"]
            self.assertEqual(error["code"], code, argv)
            self.assertIn(text, error["message"])


class ByHand(unittest.TestCase):
    def call(self, *arguments, text="", **env):
        return subprocess.run([sys.executable, "-c", handler("return {}", name="mine", version="1.2").replace(
            "    def process_job", "    def check_settings(self, s):\n        s.settings.integer('n', 1)\n"
            "        return ['odd']\n    def process_job")] + list(arguments), input=text.encode(),
            capture_output=True, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": support.SDK, "PYTHONDONTWRITEBYTECODE": "1", **env})

    def test_it_says_what_it_is_for(self):
        self.assertEqual(self.call("--version").stdout, b"mine 1.2\n")
        self.assertIn(b"[connectors.mine]", self.call("--help").stdout)
        self.assertIn(b"[connectors.mine]", self.call("--help", EMPROPS_CONNECTOR="1").stdout)
        alone = self.call()
        self.assertEqual((alone.returncode, alone.stdout), (64, b""))
        self.assertIn(b"EMPROPS_CONNECTOR=1", alone.stderr)

    def test_the_settings_are_checked_for_check_config(self):
        for settings, key in (({"n": 1}, "warnings"), ({"n": "1"}, "error")):
            done = self.call("--check-settings", text=json.dumps({"type": "hello", "settings": settings}) + "\n",
                             EMPROPS_CONNECTOR="1")
            answer = json.loads(done.stdout)
            self.assertEqual((answer["type"], done.returncode, bool(answer[key])), ("settings_checked", 0, True))

    def test_a_closed_stdin_is_named(self):
        code = f"import os, sys; os.close(0); sys.path.insert(0, {support.SDK!r}); import emprops_connector"
        done = subprocess.run([sys.executable, "-c", code], env={"EMPROPS_CONNECTOR": "1"}, capture_output=True)
        self.assertEqual(done.returncode, 70)
        self.assertIn(b"stdin and stdout must be open", done.stderr)


if __name__ == "__main__":
    unittest.main()
