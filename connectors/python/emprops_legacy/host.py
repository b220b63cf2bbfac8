"""An old connector as one of the SDK: emprops_connector does the protocol, this says what its calls mean there."""

import asyncio
import inspect

from emprops_connector import Connector, Features, JobFailure, _describe, _plain
from emprops_legacy import loading, surroundings
from emprops_legacy.hub import HubSocket, Reporter
from emprops_legacy.results import judged

STATUS_INTERVAL = 10.0


async def _value(result):
    """Only what can be awaited is: half of the old functions are coroutines in one connector and not in the next."""
    return await result if inspect.isawaitable(result) else result


class Host(Connector):
    features = Features(status=True)
    concurrency = 1  # an old connector has one current_job_id

    def __init__(self, module):
        self._module = module
        self.old = None
        self.name = loading.name_of(module)
        self._tasks = []

    def _settings(self, settings):
        values = settings.settings
        return loading.find_file(self._module, values.array("folders", [], of=str)), values.string("class", "")

    def check_settings(self, settings):
        self._settings(settings)
        return []

    async def initialize(self, settings, context):
        path, wanted = self._settings(settings)
        self._context = context
        if (settings.concurrency or 1) > 1:
            context.log("warn", f"concurrency is {settings.concurrency}: a connector of the Python worker was never "
                        "given more than one job at a time")
        self.name = loading.name_of(path)
        self.old = loading.make(loading.load(path), self.name, wanted)
        try:
            if not hasattr(self.old, "worker_id"):
                self.old.worker_id = settings.worker_id
        except AttributeError:
            pass  # it has __slots__
        if await _value(self.old.initialize()) is False:
            raise JobFailure("service_unavailable", f"initialize() of {type(self.old).__name__} returned False")
        self._look()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep_looking())]
        if type(self.old).monitor_ws_connection is not surroundings.ConnectorInterface.monitor_ws_connection:
            self._tasks.append(loop.create_task(self._watch(settings.worker_id)))

    async def _watch(self, worker_id):
        try:
            await _value(self.old.monitor_ws_connection(HubSocket(), worker_id))
        except Exception as error:
            self._context.log("warn", f"monitor_ws_connection() raised {_describe(error)}")

    @property
    def connector_id(self):
        return self.old.connector_id or self.old.connector_name or self.name

    @property
    def version(self):
        return getattr(self.old, "VERSION", "")

    @property
    def job_types(self):
        """Both: the Python worker took jobs of its connector_id, and an earlier one those of its job type."""
        return [each for each in dict.fromkeys((self.connector_id, self.old.get_job_type())) if each]

    @property
    def capabilities(self):
        own = self.old.get_capabilities()
        return {f"{self.connector_id}_{key}": value for key, value in own.items()} if isinstance(own, dict) else {}

    def _status(self):
        try:
            status = self.old.get_connection_status()
        except Exception as error:
            return {"connected": False, "service": self.connector_id, "details": {"error": _describe(error)}}
        if inspect.iscoroutine(status):
            status.close()
        return _plain(status) if isinstance(status, dict) else {"connected": True}

    def _look(self):
        """Many connect for each job only: not connected is no reason to get none."""
        status = self._status()
        self._context.set_status(status.get("connected") is not False, True, "", status.get("service") or
                                 self.connector_id, {key: value for key, value in status.items() if key != "current_job_id"})

    async def _keep_looking(self):
        while True:
            await asyncio.sleep(STATUS_INTERVAL)
            self._look()

    async def process_job(self, job, context):
        await self._check_health()
        report = Reporter(job.job_id, context, self._status)
        report(job.job_id, 0, "started", f"Starting job with {type(self.old).__name__}")
        socket = HubSocket(job.job_id, context, report)
        try:
            return judged(await _value(self.old.process_job(socket, job.job_id, dict(job.payload), report)))
        finally:
            self._look()

    async def _check_health(self):
        check = getattr(self.old, "check_health", None)
        if not callable(check):
            return
        try:
            healthy = await _value(check())
        except Exception as error:
            self._context.log("warn", f"check_health() raised {_describe(error)}; the job is tried all the same")
            return
        if not healthy:
            raise JobFailure("service_unavailable", f"Connector '{self.connector_id}' failed health check")

    async def shutdown(self):
        for task in self._tasks:
            task.cancel()
        if self.old is not None:
            await _value(self.old.shutdown())
