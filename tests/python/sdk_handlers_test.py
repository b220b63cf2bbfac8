"""The Python SDK with the supervisor in memory: what becomes of a handler's results, failures, messages and files."""

import asyncio
import collections
import enum
import json
import math
import threading
import unittest

import support
import emprops_connector
from emprops_connector import Connector, ConfigurationError, Features, JobFailure, RawResult, testing


class Handler(Connector):
    job_types = ["t"]

    def __init__(self, function, **members):
        self.process_job = function
        self.__dict__.update(members)


class Supervisor(testing.Supervisor):
    """Has every line checked."""

    def __init__(self, *arguments, timeout=60.0, **hello):  # a loaded machine; a good run waits for nothing
        super().__init__(*arguments, timeout=timeout, **hello)

    def __exit__(self, *error):
        super().__exit__(*error)
        if error[0] is None and (wrong := support.line_errors(self.lines)):
            raise AssertionError(wrong)


def run(function, payload=None, settings=None, cancel_at="", hello=None, **members):
    with Supervisor(Handler(function, **members), settings, **(hello or {})) as worker:
        worker.give(payload)
        if cancel_at:
            worker.wait(cancel_at)
            worker.cancel()
        return worker.outcome()


def returns(value):
    return lambda job, context: value


def raises(error):
    def function(job, context):
        raise error
    return function


HOSTILE = {"quotes": "\"'\\ \u2028 \0 \x7f", "lines": "a\r\nb", "lone": "\ud800", "emoji": "\U0001f600", "html": "</script>",
           "number": 18446744073709551616, "small": 5e-324, "payload": {"payload": [None, True]}, "": "", "$file": 0}


class Results(unittest.TestCase):
    def test_a_hostile_payload_comes_back_as_it_is(self):
        outcome = run(lambda job, context: {"echo": job.payload}, HOSTILE)
        self.assertEqual(outcome.result["echo"], HOSTILE)

    def test_hostile_ids_are_echoed(self):
        for job_id in ("../../x", '"},"payload":{"a', "\u00e9\n\0", ',"payload":', "x" * 3000, "\ud800"):
            with Supervisor(Handler(returns({"a": 1}))) as worker:
                worker.give({"b": 2}, job_id=job_id)
                self.assertEqual(worker.outcome(job_id).result, {"a": 1})

    def test_what_is_no_json_is_refused_by_its_place(self):
        circle = []
        circle.append(circle)
        deep = []
        for _ in range(300):
            deep = [deep]
        class Odd(dict):
            pass
        for value, place in (({"a": [1, {"b": math.nan}]}, "result.a[1].b is nan"), ({"a": -math.inf}, "result.a is -inf"),
                             ({"a": {1, 2}}, "result.a is of type set"), ({"a": b"x"}, "result.a is of type bytes"),
                             ({"a": {(1, 2): 3}}, "key of type tuple"), ({"a": circle}, "holds itself"),
                             ({"a": deep}, "deeper than 256"), ({"a": object()}, "result.a is of type object"),
                             ({"a": 10 ** 5000}, "result.a is a number"), (None, "NoneType"), ("text", "type str"),
                             ([1], "type list"), ({"a": 1j}, "type complex")):
            error = run(returns(value)).error
            if value == {"a": 10 ** 5000} and error is None:
                continue  # a Python that writes such numbers
            self.assertEqual(error["code"], "protocol_error", place)
            self.assertIn(place, error["message"])
        self.assertEqual(run(returns(Odd(a=(1, 2)))).result, {"a": [1, 2]})
        order = collections.OrderedDict(b=1, a=enum.IntEnum("E", "X").X)
        self.assertEqual(run(returns(order)).result, {"b": 1, "a": 1})

    def test_a_raw_result_is_sent_byte_for_byte(self):
        with Supervisor(Handler(returns(RawResult('{"a":1.10,\n"b":18446744073709551616}')))) as worker:
            worker.give()
            worker.outcome()
        self.assertIn(b'"result":{"a":1.10, "b":18446744073709551616}}', worker.lines[-1])
        for text in ("[1]", "{", '{"a":NaN}', "1", None, 5, '{"a":' * 300 + "1" + "}" * 300):
            self.assertEqual(run(returns(RawResult(text))).error["code"], "protocol_error", text)

    def test_a_result_over_the_limit_says_so(self):
        outcome = run(returns({"a": "x" * 3000}), hello={"max_line_bytes": 2000})
        self.assertEqual(outcome.error["code"], "result_too_large")
        self.assertIn("max_line_bytes", outcome.error["message"])


class Failures(unittest.TestCase):
    def test_a_job_failure_has_its_code(self):
        error = run(raises(JobFailure("mine.tile", "too large", False, {"tile": 1, "odd": math.nan}))).error
        self.assertEqual(error, {"code": "mine.tile", "message": "too large", "retryable": False,
                                 "details": {"tile": 1, "odd": None}})

    def test_any_exception_fails_the_job_with_its_text(self):
        class Hostile(Exception):
            def __str__(self):
                raise RuntimeError("no")
        for error, text in ((KeyError("width"), "KeyError: 'width' (sdk_handlers_test.py:"), (Hostile(), "Hostile"),
                            (SystemExit(3), "exit(3)"), (KeyboardInterrupt(), "KeyboardInterrupt"),
                            (ValueError("x" * 10 ** 6), "characters in all"), (JobFailure("", "", True), "")):
            outcome = run(raises(error))
            self.assertEqual(outcome.error["code"], "internal")
            self.assertIn(text, outcome.error["message"])
        self.assertEqual(run(raises(MemoryError())).error["code"], "out_of_memory")

    def test_wrong_types_in_what_only_informs_fail_nothing(self):
        def odd(job, context):
            for percent in (None, math.nan, math.inf, "50", -5, 1e400, object(), True):
                context.progress(percent, object(), status=5, details={("a", 1): {1, 2}, "deep": [[[object()]]]})
            context.progress(50, "x" * 10 ** 6, details={"big": "x" * 10 ** 6})
            context.log("SHOUT", 5, {1: math.nan})
            context.log("warn", "a\nb", None)
            context.service_request(5, None, "no object")
            return {}
        outcome = run(odd)
        self.assertEqual(outcome.result, {})
        self.assertLess(len(outcome.progress[-1]["message"]), 5000)


class Reading(unittest.TestCase):
    def test_a_wrong_member_is_named(self):
        read = {"width": lambda m: m.integer("width", within=(1, 8)),
                "name": lambda m: m.string("name", choices=["a", "b"]),
                "on": lambda m: m.boolean("on"), "list": lambda m: m.array("list", of=str),
                "size": lambda m: m.object("size").number("x")}
        for key, value, place in (("width", "5", '"width"'), ("width", 9, "from 1 to 8"), ("width", True, '"width"'),
                                  ("width", 1.5, '"width"'), ("width", None, 'must have "width"'), ("name", "c", "one of a, b"),
                                  ("on", 1, '"on"'), ("list", ["a", 1], '"list[1]"'), ("size", {"x": "1"}, '"size.x"'),
                                  ("size", {}, '"size.x"'), ("size", [1], '"size"'), ("size", {"x": 10 ** 400}, '"size.x"')):
            error = run(lambda job, context: {"value": read[key](job.payload)}, {key: value}).error
            self.assertEqual(error["code"], "invalid_payload", (key, value))
            self.assertFalse(error["retryable"])
            self.assertIn(place, error["message"])

    def test_right_members_and_defaults(self):
        def read(job, context):
            m = job.payload
            return {"a": m.integer("a", within=(0, 9)), "b": m.number("b", 2.5), "c": m.string("c", "x"),
                    "d": m.object("d", {}).integer("e", 7), "f": m.array("f", []), "g": m.boolean("g", None)}
        self.assertEqual(run(read, {"a": 5.0, "c": None}).result, {"a": 5, "b": 2.5, "c": "x", "d": 7, "f": [], "g": None})

    def test_a_wrong_setting_is_a_wrong_configuration_and_is_not_repeated(self):
        def initialize(settings, context):
            settings.settings.integer("key")
        with Supervisor(Handler(returns({}), initialize=initialize), {"key": "secret"}) as worker:
            error = worker.wait("init_failed")["error"]
        self.assertFalse(error["retryable"])
        self.assertIn('"key" of the settings', error["message"])
        self.assertNotIn("secret", error["message"])
        self.assertEqual(worker.exit_code, 78)

    def test_a_number_that_python_cannot_read_fails_its_job_only(self):
        with Supervisor(Handler(lambda job, context: {"a": job.payload["a"] > 0}), concurrency=3) as worker:
            worker.write(b'{"type":"job","job_id":"1","job_type":"t","priority":0,"attempt":1,"resume":false,"work_dir":"/",'
                         b'"payload":{"a":' + b"9" * 5000 + b"}}\n")
            outcome = worker.outcome("1")
            self.assertTrue(outcome.result or outcome.error["code"] == "invalid_payload")
            worker.write(b'{"type":"job","job_id":"2","payload":' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"}\n")
            worker.give({"a": 1}, job_id="3")
            self.assertEqual(worker.outcome("3").result, {"a": True})


class Slots(unittest.TestCase):
    def test_jobs_run_side_by_side_and_one_more_is_refused(self):
        both = threading.Barrier(2, timeout=50)
        with Supervisor(Handler(lambda job, context: {"n": both.wait()}, concurrency=1), concurrency=2) as worker:
            worker.give(job_id="a")
            worker.send({"type": "job", "job_id": "a", "job_type": "t", "work_dir": "/", "payload": {}})
            worker.send({"type": "ping", "id": 2 ** 53 - 1})
            worker.give(job_id="b")
            worker.outcome("a"), worker.outcome("b")
        self.assertEqual([m["id"] for m in worker.messages if m["type"] == "pong"], [2 ** 53 - 1])
        go = threading.Event()
        with Supervisor(Handler(lambda job, context: {"n": go.wait(10)})) as worker:
            worker.give(job_id="a")
            worker.give(job_id="b")
            self.assertEqual(worker.outcome("b").error["code"], "not_started")
            worker.send({"type": "drain"})
            worker.give(job_id="c")
            self.assertEqual(worker.outcome("c").error["code"], "not_started")
            go.set()
            self.assertEqual(worker.outcome("a").result, {"n": True})

    def test_a_released_job_takes_no_slot(self):
        go, asked = threading.Event(), threading.Semaphore(0)

        def function(job, context):
            released = context.release()
            asked.release()
            return {"released": released, "went": go.wait(10)}
        with Supervisor(Handler(function)) as worker:
            for job_id in ("a", "b", "c"):
                worker.give(job_id=job_id)
                worker.wait("accepted", job_id=job_id)
                if job_id != "c":
                    worker.wait("released", job_id=job_id)
            for _ in "abc":
                asked.acquire(timeout=50)
            go.set()
            self.assertEqual([worker.outcome(each).result["released"] for each in "abc"], [True, True, False])

    def test_a_job_is_prepared_and_then_begun(self):
        def function(job, context):
            context.progress(1, "says nothing yet")
            return {"turn": context.wait_turn(), "again": context.has_turn}
        with Supervisor(Handler(function, features=Features(prepare=True))) as worker:
            worker.give(job_id="a", prepare=True)
            worker.give(job_id="b", prepare=True)
            self.assertEqual(worker.outcome("b").error["code"], "not_started")
            self.assertFalse([m for m in worker.messages if m["type"] in ("progress", "accepted")])
            worker.send({"type": "begin", "job_id": "a"})
            self.assertEqual(worker.outcome("a").result, {"turn": True, "again": True})


class Talk(unittest.TestCase):
    def test_progress_is_throttled_and_the_last_is_kept(self):
        def flood(job, context):
            for number in range(20_000):
                context.progress(number / 200, f"step {number}")
            return {}
        outcome = run(flood)
        self.assertLess(len(outcome.progress), 2000)
        self.assertEqual(outcome.progress[-1]["message"], "step 19999")
        types = [m["type"] for m in outcome.messages]
        self.assertEqual((types[1], types[-1], types[2]), ("accepted", "result", "progress"))

    def test_status_waits_for_ready_and_is_said_once(self):
        def initialize(settings, context):
            for _ in range(3):
                context.set_status(True, False, "loading", "daemon", {"queue": 3})
            context.log("info", "loading")
        with Supervisor(Handler(returns({}), initialize=initialize, features=Features(status=True))) as worker:
            worker.wait("status")
        types = [m["type"] for m in worker.messages]
        self.assertEqual(types, ["log", "ready", "status"])
        self.assertEqual(worker.messages[1]["features"], ["cancel", "status", "ping"])

    def test_later_capabilities_and_messages_of_a_newer_worker(self):
        def initialize(settings, context):
            self.context = context
            context.preparing(5, "not known to this worker")
        with Supervisor(Handler(returns({}), initialize=initialize)) as worker:
            self.context.update_capabilities({"gpu": object()}, ["t", "u"], 3)
            self.context.metrics({"jobs_total": 1})
            self.context.restart_service("sticky")
            worker.send({"type": "of_a_later_version", "job_id": 5, "x": None})
            worker.write(b"\n[1]\nno json\n" + b'{"type":"ping"}\n{"type":"job","job_id":""}\n{"type":"cancel","job_id":"?"}\n')
            worker.wait("restart_service")
        self.assertEqual([m["type"] for m in worker.messages], ["ready", "capabilities", "restart_service"])
        self.assertEqual(worker.messages[1]["concurrency"], 3)

    def test_preparing_and_metrics_go_to_a_worker_that_knows_them(self):
        def initialize(settings, context):
            self.context = context
            for progress in (12.5, None, math.nan, "half", 10 ** 400):
                context.preparing(progress, "downloading")
        with Supervisor(Handler(returns({}), initialize=initialize), prepare_timeout_ms=0) as worker:
            self.context.preparing(50, "too late")
            self.context.metrics({"jobs_total": 1, "odd": "x", "flag": True, "Bad": 1, "less": -1}, {"load": 0.5, "nan": math.nan, "big": 1e999})
            self.context.metrics()
            worker.wait("metrics", count=2)
        said = worker.messages
        self.assertEqual([m["type"] for m in said], ["preparing"] * 5 + ["ready"] + ["metrics"] * 2)
        self.assertEqual([m.get("progress") for m in said[:5]], [12, None, None, None, 100])
        self.assertEqual(said[6], {"type": "metrics", "counters": {"jobs_total": 1}, "gauges": {"load": 0.5}})

    def test_nothing_is_said_of_a_job_that_has_ended(self):
        kept = []
        with Supervisor(Handler(lambda job, context: kept.append(context) or {})) as worker:
            worker.give()
            worker.outcome()
            count = len(worker.lines)
            kept[0].progress(5)
            kept[0].accepted()
            self.assertFalse(kept[0].release())
        self.assertEqual(len(worker.lines), count)


class Files(unittest.TestCase):
    def test_files_go_with_the_result(self):
        outcome = run(lambda job, context: {"picture": context.add_file("a/out.png", mime_type="image/png", seed=5),
                                            "link": context.add_file(url="http://127.0.0.1/x", deliver=["reference"])})
        self.assertEqual(outcome.result, {"picture": {"$file": 0}, "link": {"$file": 1}})
        self.assertEqual(outcome.files, [{"seed": 5, "path": "a/out.png", "mime_type": "image/png"},
                                         {"url": "http://127.0.0.1/x", "deliver": ["reference"]}])

    def test_what_the_worker_would_refuse_is_refused_here(self):
        def add(*args, **more):
            return lambda job, context: {"a": context.add_file(*args, **more)}
        for function in (add("../x"), add(""), add("a/"), add("a\0"), add(url="/x"), add("a", name="b/c"), add("a", name=".."),
                         add("a", name="x" * 256), add("a", deliver=[""]), add("a", odd=math.nan), add("a", mime_type=5),
                         lambda job, context: {"a": bool(context.add_file("x"))}, lambda job, context: {
                             "a": context.add_file("x"), "b": {"$file": 1}}):
            self.assertEqual(run(function).error["code"], "protocol_error")
        self.assertEqual(run(add("a"), hello={"files": None}).error["code"], "unsupported")

        def many(job, context):
            return {"all": [context.add_file(f"{n}.png") for n in range(1001)]}
        self.assertEqual(run(many).error["code"], "result_too_large")


class Cancel(unittest.TestCase):
    def test_a_job_that_looks_or_waits_or_listens_ends_as_cancelled(self):
        heard = threading.Event()

        def looks(job, context):
            context.progress(1)
            while not context.cancelled:
                context.wait_cancelled(0.001)
            return {"half": "done"}

        def listens(job, context):
            with context.on_cancel(heard.set):
                context.progress(1)
                heard.wait(10)
            raise RuntimeError("an echo of the cancel")

        def waits(job, context):
            context.progress(1)
            return {"cancelled": context.wait_cancelled(30)}

        async def sleeps(job, context):
            context.progress(1)
            await asyncio.sleep(30)
        for function in (looks, listens, waits, sleeps):
            error = run(function, cancel_at="progress").error
            self.assertEqual(error["code"], "cancelled", function)
            self.assertIn("by the test", error["message"])

    def test_what_the_cancelled_job_raises_or_swallows_is_its_end_all_the_same(self):
        async def swallows(job, context):
            context.progress(1)
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                await asyncio.sleep(0.01)
            return {"late": True}

        def hostile(job, context):
            context.on_cancel(lambda: 1 / 0)
            context.progress(1)
            context.wait_cancelled(30)
            raise SystemExit(1)
        for function in (swallows, hostile):
            self.assertEqual(run(function, cancel_at="progress").error["code"], "cancelled")

    def test_a_job_that_has_seen_the_leaving_is_drained_and_another_delivered(self):
        async def sleeps(job, context):
            await asyncio.sleep(30)

        def listens(job, context):
            heard = threading.Event()
            context.on_cancel(heard.set)
            return {"heard": heard.wait(30)}

        def ran_a_program(job, context):
            context.run_program(["true"])
            context.on_cancel(print).remove()
            context.log("info", "over")
            return {"done": threading.Event().wait(0.2)}
        for function, key in ((ran_a_program, "result"),
                              (lambda job, context: {"seen": context.wait_cancelled(30)}, "error"), (sleeps, "error"),
                              (listens, "error"),
                              (lambda job, context: {"done": threading.Event().wait(0.2)}, "result")):
            with Supervisor(Handler(function)) as worker:
                worker.give()
                worker.wait("accepted" if function is not ran_a_program else "log")
                worker.send({"type": "shutdown", "grace_ms": 5000})
                outcome = worker.outcome()
                self.assertTrue(getattr(outcome, key) is not None)
                if key == "error":
                    self.assertEqual(outcome.error["code"], "drained")


class Coroutines(unittest.TestCase):
    def test_one_that_has_returned_has_not_looked_at_a_later_leave(self):
        async def quick():
            return 5
        for late in (True, False):
            loop, token = emprops_connector._Loop(), emprops_connector._Token(True, emprops_connector._Clock())
            if late:
                self.assertEqual(loop.run(quick(), token), 5)
                token.cancel("bye", "leave")
            else:
                threading.Timer(0.2, token.cancel, ("bye", "leave")).start()
                with self.assertRaises(asyncio.CancelledError):
                    loop.run(asyncio.sleep(60), token)
            loop.run(quick())  # what the leave has caused has happened
            self.assertEqual(token.observed, not late)

    def test_they_share_one_loop(self):
        class Async(Connector):
            job_types, concurrency = ["t"], 2

            async def initialize(self, settings, context):
                self.loop, self.both = asyncio.get_running_loop(), asyncio.Event()

            async def process_job(self, job, context):
                same = self.loop is asyncio.get_running_loop()
                if job.job_id == "a":
                    await asyncio.wait_for(self.both.wait(), 10)
                self.both.set()
                return {"same": same}

            async def shutdown(self):
                self.closed = self.loop is asyncio.get_running_loop()
        connector = Async()
        with Supervisor(connector) as worker:
            worker.give(job_id="a")
            worker.give(job_id="b")
            self.assertEqual([worker.outcome(each).result for each in "ab"], [{"same": True}] * 2)
        self.assertTrue(connector.closed)
        self.assertEqual(worker.exit_code, 0)

    def test_exit_in_a_task_harms_nobody(self):
        async def stray():
            raise SystemExit(5)

        async def function(job, context):
            if job.payload.get("exit"):
                raise SystemExit(5)
            asyncio.get_running_loop().create_task(stray())
            await asyncio.sleep(0.01)
            return {"alive": True}
        with Supervisor(Handler(function)) as worker:
            for number in range(3):
                worker.give(job_id=str(number))
                self.assertEqual(worker.outcome(str(number)).result, {"alive": True})
            worker.give({"exit": 1}, job_id="x")
            self.assertIn("exit(5)", worker.outcome("x").error["message"])

    def test_a_program_runs_while_the_loop_goes_on(self):
        async def function(job, context):
            done = await context.run_program_async(["sh", "-c", "echo hello; echo $EMPROPS_X"], env={"EMPROPS_X": "y"})
            return {"out": done.stdout}
        self.assertEqual(run(function).result, {"out": "hello\ny\n"})


class Start(unittest.TestCase):
    def test_a_failed_start_says_whether_to_try_again(self):
        for error, code, retryable in ((ConfigurationError("no model"), 78, False), (OSError("not yet"), 70, True),
                                       (JobFailure("service_unavailable", "down"), 70, True), (SystemExit(1), 70, True)):
            with Supervisor(Handler(returns({}), initialize=raises(error))) as worker:
                self.assertEqual(worker.wait("init_failed")["error"].get("retryable"), retryable)
            self.assertEqual(worker.exit_code, code)

    def test_a_foreign_version_and_a_wrong_member_are_refused(self):
        with Supervisor(Handler(returns({})), protocol_versions=[2]) as worker:
            self.assertEqual(worker.wait("init_failed")["error"]["code"], "unsupported")
        self.assertEqual(worker.exit_code, 78)
        with Supervisor(Handler(returns({}), concurrency="many")) as worker:
            worker.wait("init_failed")


if __name__ == "__main__":
    unittest.main()
