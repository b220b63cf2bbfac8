"""What an old connector takes for its connection to the Hub. The worker has that connection; what a connector may say on
it becomes messages about its job, and the rest is dropped."""

import json


class Done:
    """Awaitable, but need not be awaited: some connectors forget it."""

    def __await__(self):
        return iter(())


class HubSocket:
    """The parameter `websocket` of process_job()."""

    open, closed, close_code = True, False, None

    def __init__(self, job_id=None, context=None, report=None):
        self._job_id, self._context, self._report = job_id, context, report

    def send(self, message, *_, **__):
        try:
            if isinstance(message, (bytes, bytearray)):
                message = bytes(message).decode("utf-8")
            said = json.loads(message) if isinstance(message, str) else dict(message)
            if self._context is not None and said.get("job_id") == self._job_id:
                self._pass_on(said)
        except (ValueError, TypeError, AttributeError):
            pass  # as at the Hub, which ignores what it does not understand
        return Done()

    send_text = send_json = send_str = send

    def _pass_on(self, said):
        if said.get("type") == "service_request":
            content = said.get("content")
            self._context.service_request(said.get("service", ""), said.get("request_type", ""),
                                          content if isinstance(content, dict) else {"content": content})
        elif said.get("type") == "update_job_progress":
            self._report(self._job_id, said.get("progress"), said.get("status"), said.get("message"))

    async def recv(self, *_, **__):
        raise RuntimeError("a connector does not read from the Hub: the worker does")

    receive = receive_str = receive_json = recv

    def __aiter__(self):
        return self

    async def __anext__(self):
        return await self.recv()

    def ping(self, *_, **__):
        return Done()

    pong = close = wait_closed = ping


class Reporter:
    """The parameter `send_progress_update`: (job_id, progress, status, message), progress -1 for a sign of life."""

    def __init__(self, job_id, context, status):
        self._job_id, self._context, self._status = job_id, context, status

    def __call__(self, job_id=None, progress=None, status=None, message=None, *_, **__):
        heartbeat = isinstance(progress, (int, float)) and progress < 0
        details = {**self._status(), "job_id": self._job_id, "progress_type": "heartbeat" if heartbeat else "normal"}
        if job_id in (None, self._job_id):
            self._context.progress(None if heartbeat else progress, "" if message is None else message,
                                   "processing" if status is None else status, details)
        return Done()
