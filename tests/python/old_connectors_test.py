"""emprops-connector-python: connectors as they were written for the Python worker, each trap of theirs one test. Every
line that the host says is held against ipc/schemas."""

import os
import signal
import sys
import tempfile
import textwrap
import unittest

import support

TYPED = "from typing import Dict, Any\nfrom worker.connector_interface import ConnectorInterface\n"
# As the example in that worker's documents: no import of Dict and Any, initialize() is no coroutine, half of the
# interface is missing.
SHORT = """
    from connector_interface import ConnectorInterface
    from core.utils.logger import logger

    class Short(ConnectorInterface):
        def __init__(self):
            logger.info("made")

        def initialize(self) -> bool:
            return True

        def get_job_type(self) -> str:
            return "short_type"

        def get_capabilities(self) -> Dict[str, Any]:
            return {"can": ["this"]}

        async def process_job(self, websocket, job_id, payload, send_progress_update) -> Dict[str, Any]:
            return {"status": "success", "output": payload}

        async def shutdown(self) -> None:
            logger.info("shut down")
"""


class HostTest(support.ConnectorTest):
    def write(self, **files):
        """Files of the folder worker/connectors of an old tree."""
        tree = tempfile.TemporaryDirectory()
        self.addCleanup(tree.cleanup)
        self.tree = tree.name
        self.folder = os.path.join(tree.name, "worker", "connectors")
        os.makedirs(self.folder)
        for name, text in files.items():
            with open(os.path.join(self.folder, name + ".py"), "w", encoding="utf-8") as file:
                file.write(textwrap.dedent(text))

    def host(self, module="my_connector.py", **options):
        path = os.path.join(self.folder, module) if module.endswith(".py") else module
        env = {"PYTHONPATH": support.HOST + ":" + support.SDK, **options.pop("env", {})}
        return self.started(support.Process([sys.executable, os.path.join(support.HOST, "emprops-connector-python"), path],
                                            env=env, **options))

    def run_job(self, body, members="", payload=None, head="", **options):
        """What becomes of a job whose process_job() has this body; the process stays."""
        self.write(my_connector=TYPED + textwrap.dedent(head) + "\nimport asyncio, json, math, os, sys, threading, time\n"
                   "class My(ConnectorInterface):\n    connector_id = 'my'\n" + textwrap.indent(textwrap.dedent(members), "    ")
                   + "\n    async def process_job(self, websocket, job_id, payload, send_progress_update):\n"
                   + textwrap.indent(textwrap.dedent(body), "        ") + "\n")
        process = self.host(**options)
        self.ready = process.wait("ready")
        process.job(payload)
        return process

    def messages(self, process, kind):
        return [each for each in map(support.json.loads, process.lines) if each["type"] == kind]


class Traps(HostTest):
    # 1 and 2
    def test_the_example_of_the_documents_runs_as_it_stands(self):
        self.write(my_connector=SHORT)
        process = self.host()
        ready = process.wait("ready")
        self.assertEqual(ready["job_types"], ["my", "short_type"])
        self.assertEqual(ready["capabilities"], {"my_can": ["this"]})
        process.job({"a": 1.5})
        self.assertEqual(process.wait("result")["result"], {"status": "success", "output": {"a": 1.5}})
        process.send({"type": "shutdown", "grace_ms": 5000})
        process.child.stdin.close()
        self.assertEqual(process.end(), 0)
        self.assertEqual([each["message"] for each in self.messages(process, "log")], ["made", "shut down"])

    # 3 and 4
    def test_both_job_types_are_announced_and_capabilities_have_the_prefix(self):
        process = self.run_job("return {}", "def get_job_type(self): return 'other'\n"
                               "def get_capabilities(self): return {'steps': 5, 'odd': {1, 2}}")
        self.assertEqual(self.ready["job_types"], ["my", "other"])
        self.assertEqual(self.ready["capabilities"]["my_steps"], 5)
        process.wait("result")

    # 5
    def test_every_way_to_import_works_and_the_packages_init_does_not_run(self):
        self.write(
            __init__="raise RuntimeError('loads every connector there is')", helper="VALUE = 5",
            rest_sync_connector=TYPED + "class RESTSyncConnector(ConnectorInterface):\n    @property\n"
                                        "    def connector_id(self): raise NotImplementedError('a base class')\n",
            my_connector="""
                import os, sys
                sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
                from ..base_worker import BaseWorker
                from ..connector_interface import ConnectorInterface as One
                from worker.connector_interface import ConnectorInterface as Two
                from connector_interface import ConnectorInterface as Three
                from worker import ConnectorInterface as Four
                from core.utils.logger import logger, setup_logging
                from core.extra import EXTRA
                from .helper import VALUE
                import helper, connectors.helper
                from worker.connectors.rest_sync_connector import RESTSyncConnector
                from .rest_sync_connector import RESTSyncConnector as Same

                class My(RESTSyncConnector):
                    connector_id = "my"
                    async def process_job(self, websocket, job_id, payload, send_progress_update):
                        return {"same": One is Two is Three is Four and Same is RESTSyncConnector, "value": VALUE + EXTRA}
            """)
        os.makedirs(os.path.join(self.tree, "core"))
        with open(os.path.join(self.tree, "core", "extra.py"), "w", encoding="utf-8") as file:
            file.write("EXTRA = 1")
        process = self.host()
        process.wait("ready")
        process.job()
        self.assertEqual(process.wait("result")["result"], {"same": True, "value": 6})

    # 6
    def test_the_logger_speaks_log_messages_at_its_level(self):
        body = "logger.debug('quiet'); logger.warning('loud %s', 1); logger.debug_highlight('marked'); return {}"
        head = "from core.utils.logger import logger"
        process = self.run_job(body, head=head)
        process.wait("result")
        self.assertEqual([(each["level"], each["message"]) for each in self.messages(process, "log")], [("warn", "loud 1")])
        process = self.run_job(body, head=head, env={"LOG_LEVEL": "debug"})
        process.wait("result")
        self.assertIn("!!!!! marked !!!!!", [each["message"] for each in self.messages(process, "log")])

    # 7
    def test_prints_harm_nothing(self):
        process = self.run_job("print('{\"type\":\"result\"', end=''); os.system('echo x'); return {'stdin': sys.stdin.read()}",
                               head="print('at import', end='')")
        self.assertEqual(process.wait("result")["result"], {"stdin": ""})

    # 8
    def test_what_is_sent_to_the_hub_becomes_messages_of_the_job(self):
        process = self.run_job("""
            for message in ({"type": "service_request", "job_id": job_id, "service": "s", "request_type": "r", "content": 5},
                            {"type": "update_job_progress", "job_id": job_id, "progress": 40, "message": "m"},
                            {"type": "update_job_progress", "job_id": "another", "progress": 99},
                            {"type": "complete_job", "job_id": job_id, "result": {"no": 1}}, [1], "text"):
                await websocket.send(json.dumps(message))
            await websocket.send(b"\\xff")
            await websocket.send(None)
            websocket.send("{}")
            try:
                await websocket.recv()
            except RuntimeError as error:
                return {"recv": str(error), "open": not websocket.closed}
        """)
        self.assertIn("does not read from the Hub", process.wait("result")["result"]["recv"])
        request = self.messages(process, "service_request")[0]
        self.assertEqual((request["service"], request["content"]), ("s", {"content": 5}))
        self.assertEqual([each["progress"] for each in self.messages(process, "progress")][-1], 40)

    # 9
    def test_progress_of_every_kind(self):
        process = self.run_job("""
            n = payload.get("n")
            if n == 1:
                await send_progress_update(job_id, 10, "processing", "ten")
            elif n == 2:
                send_progress_update(job_id, -1, "heartbeat", "alive")
            elif n == 3:
                thread = threading.Thread(target=send_progress_update, args=(job_id, 50.4, None, None))
                thread.start(); thread.join()
            else:
                await send_progress_update(job_id=job_id, progress="half", status=5, message={})
            return {}
        """, "def get_connection_status(self): return {'connected': True, 'service': 'daemon'}")
        process.wait("result")
        for n, progress, status, kind in ((1, 10, "processing", "normal"), (2, None, "heartbeat", "heartbeat"),
                                          (3, 50, "processing", "normal"), (4, None, "5", "normal")):
            process.job({"n": n}, job_id=str(n))
            process.wait("result", job_id=str(n))
            last = [each for each in self.messages(process, "progress") if each["job_id"] == str(n)][-1]
            self.assertEqual((last.get("progress"), last["status"], last["details"]["progress_type"]), (progress, status, kind))
            self.assertEqual(last["details"]["service"], "daemon")
        self.assertNotIn("never awaited", process.stderr())

    # 10
    def test_not_connected_between_jobs_is_no_reason_to_get_none(self):
        for status, connected in (("{'connected': False, 'service': 's'}", False), ("1 / 0", False), ("None", True)):
            process = self.run_job("return {}", f"def get_connection_status(self): return {status}")
            told = process.wait("status")
            self.assertEqual((told["connected"], told["available"]), (connected, True))
            process.wait("result")

    # 11
    def test_a_blocked_loop_answers_pings_and_a_waiting_one_is_cancelled(self):
        process = self.run_job("time.sleep(60)")
        process.wait("accepted")
        process.send({"type": "ping", "id": 5})
        self.assertEqual(process.wait("pong")["id"], 5)
        cleaned = self.folder
        process = self.run_job("try:\n    await asyncio.sleep(60)\nfinally:\n    self.cleaned = open(payload['path'], 'w')",
                               payload={"path": self.folder + "/cleaned"})
        process.wait("accepted")
        process.wait("progress")
        process.send({"type": "cancel", "job_id": "job-1", "reason": "enough"})
        self.assertEqual(process.wait("failed")["error"]["code"], "cancelled")
        self.assertTrue(os.path.exists(os.path.join(cleaned, "cleaned")))

    # 12
    def test_results_are_what_the_python_worker_made_of_them(self):
        head = """
            import dataclasses, datetime, decimal, enum, pathlib
            class Model:
                def model_dump(self): return {"inner": (1, math.nan)}
            class Number:
                def tolist(self): return [1, 2]
            class Color(enum.Enum): RED = "red"
            @dataclasses.dataclass
            class Point: x: int = 1
            circle = {}
            circle["self"] = circle
        """
        good = (("None", {}), ("{}", {}), ("{'status': 'error', 'm': 'm'}", {"status": "error", "m": "m"}),
                ("{'a': math.nan, 'b': float('-inf'), 'c': b'x', 'd': b'\\xff', 'e': {1}, 'f': (1, 2), 3: 4}",
                 {"a": None, "b": None, "c": "x", "d": "/w==", "e": [1], "f": [1, 2], "3": 4}),
                ("{'m': Model(), 'n': Number(), 'c': Color.RED, Color.RED: Point()}",
                 {"m": {"inner": [1, None]}, "n": [1, 2], "c": "red", "red": {"x": 1}}), ("Model()", {"inner": [1, None]}),
                ("{'d': datetime.date(2025, 1, 2), 'e': decimal.Decimal('1.50'), 'p': pathlib.Path('/x')}",
                 {"d": "2025-01-02", "e": "1.50", "p": "/x"}))
        bad = (("[1]", "returned list"), ("'done'", "returned str"), ("{'a': object()}", "result.a is of type"),
               ("circle", "holds itself"), ("{'status': 'failed', 'error': 'no model'}", "no model"),
               ("{'status': 'failed'}", "Unknown error"), ("payload['x']", "KeyError: 'x'"))
        process = self.run_job("return eval(payload['text'])", head="import math\n" + textwrap.dedent(head),
                               payload={"text": "None"})
        process.wait("result")
        for text, result in good:
            process.job({"text": text}, job_id=text)
            self.assertEqual(process.wait("result", "failed", job_id=text).get("result"), result, text)
        for text, message in bad:
            process.job({"text": text}, job_id=text)
            self.assertIn(message, process.wait("failed", job_id=text)["error"]["message"])

    # 13
    def test_exit_in_a_job_fails_the_job(self):
        process = self.run_job("sys.exit(3) if payload.get('exit') else None; return {'alive': True}", payload={"exit": True})
        self.assertIn("exit(3)", process.wait("failed")["error"]["message"])
        process.job(job_id="2")
        self.assertEqual(process.wait("result")["result"], {"alive": True})

    # 14
    def test_the_health_is_checked_for_each_job(self):
        members = "async def check_health(self): return {}"
        for answer, end in (("False", "failed"), ("True", "result"), ("1 / 0", "result")):
            message = self.run_job("return {}", members.format(answer)).wait("failed", "result")
            self.assertEqual(message["type"], end)
        self.assertEqual(self.run_job("return {}", "def check_health(self): return 0").wait("failed")["error"]["code"],
                         "service_unavailable")

    # 15
    def test_one_job_at_a_time_unless_the_operator_says_otherwise(self):
        process = self.run_job("await asyncio.sleep(60); return {}")
        self.assertEqual(self.ready["concurrency"], 1)
        process.job(job_id="2")
        self.assertEqual(process.wait("failed", job_id="2")["error"]["code"], "not_started")
        process = self.run_job("return {}", hello={"concurrency": 2})
        self.assertEqual(self.ready["concurrency"], 2)
        self.assertIn("never given more than one", self.messages(process, "log")[0]["message"])

    # 16: which variables arrive is the worker's business, see the integration test
    def test_variables_are_there_while_the_module_is_loaded(self):
        process = self.run_job("return {'limit': LIMIT}", head="import os\nLIMIT = os.environ.get('MAX_WS_MESSAGE_SIZE_MB')",
                               env={"MAX_WS_MESSAGE_SIZE_MB": "7"})
        self.assertEqual(process.wait("result")["result"], {"limit": "7"})

    # 17 and 18
    def test_the_monitor_runs_and_the_worker_is_known(self):
        process = self.run_job("""
            await asyncio.sleep(0)
            return {"id": self.worker_id, "seen": self.seen}
        """, """
            async def monitor_ws_connection(self, websocket, worker_id):
                self.seen = worker_id
                await websocket.send('{"type": "worker_status"}')
                raise RuntimeError("the monitor broke")
        """)
        self.assertEqual(process.wait("result")["result"], {"id": "w", "seen": "w"})
        self.assertIn("the monitor broke", "".join(each["message"] for each in self.messages(process, "log")))


class Loading(HostTest):
    def fails(self, text, **more):
        self.write(my_connector=text, **more)
        process = self.host()
        error = process.wait("init_failed", "ready")["error"]
        return error, process.end()

    def test_what_cannot_be_loaded_is_a_wrong_configuration_that_is_named(self):
        for text, message in (("import no_such_module", "needs the module `no_such_module`"), ("def broken(:", "SyntaxError"),
                              ("x = undefined", "NameError"), ("", "no class that implements ConnectorInterface"),
                              (TYPED + "class A(ConnectorInterface):\n    def __init__(self): 1 / 0", "A() raised")):
            error, code = self.fails(text)
            self.assertIn(message, error["message"])
            self.assertEqual((error["retryable"], code), (False, 78))
        error, code = self.fails(TYPED + "class A(ConnectorInterface):\n    async def initialize(self): return False")
        self.assertEqual((error["retryable"], code), (True, 70))

    def test_a_name_is_found_in_the_folders_and_the_class_by_its_id(self):
        self.write(my_connector=TYPED + "class Base(ConnectorInterface): pass\nclass First(Base): connector_id = 'first'\n"
                   "class My(Base):\n    connector_id = 'my'\n    VERSION = '7'\n"
                   "    async def process_job(self, *a): return {'class': 'My'}\n")
        process = self.host("my", hello={"settings": {"folders": ["/nowhere", self.folder]}})
        self.assertEqual(process.wait("ready")["job_types"], ["my"])
        process.job()
        self.assertEqual(process.wait("result")["result"], {"class": "My"})
        process = self.host("my", hello={"settings": {"folders": [self.folder], "class": "First"}})
        self.assertEqual(process.wait("ready")["job_types"], ["first"])
        process = self.host("other", hello={"settings": {"folders": [self.folder]}})
        self.assertIn("other_connector.py", process.wait("init_failed")["error"]["message"])

    def test_a_kill_leaves_no_child_behind_it_in_the_way(self):
        process = self.run_job("os.kill(os.getpid(), 9)")
        self.assertEqual(process.end(), -signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
