"""What an old connector finds around it: the interface that it derives from, the logger, and the module names under
which it imports both. Nothing of the Python worker runs; its connectors/__init__.py, which loads every connector there
is, is not executed either."""

import importlib.machinery
import logging
import os
import sys
import types


class ConnectorInterface:
    """As the Python worker's, but not abstract: the example in its README leaves half of it out."""

    connector_id = None
    connector_name = None

    async def initialize(self):
        return True

    def get_job_type(self):
        return self.connector_id or self.connector_name

    def get_capabilities(self):
        return {}

    def get_connection_status(self):
        return None

    def is_processing_job(self, job_id):
        return False

    async def process_job(self, websocket, job_id, payload, send_progress_update):
        raise NotImplementedError("this connector has no process_job()")

    async def shutdown(self):
        pass

    async def monitor_ws_connection(self, websocket, worker_id):
        pass


class BaseWorker:
    """Imported by some connectors, used by none."""


class EnhancedLogger(logging.Logger):
    def debug_highlight(self, msg, *args, **kwargs):
        self.debug("!!!!! %s !!!!!" % (msg,), *args, **kwargs)


def make_logger():
    """Its lines go where the root's go: as `log` messages to the worker. Its level is LOG_LEVEL, as ever."""
    logger = EnhancedLogger("emp-redis", getattr(logging, os.environ.get("LOG_LEVEL", "").upper(), logging.INFO))
    logger.parent = logging.getLogger()
    return logger


def _module(name, path=None, **members):
    """`path` is where its further submodules lie, if they exist there."""
    module = types.ModuleType(name)
    module.__dict__.update(members)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=path is not None)
    if path is not None:
        module.__path__ = [path] if path else []
        module.__package__ = name
    sys.modules[name] = module
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)
    return module


def serve(folder):
    """Makes everything importable for a connector in `folder`: as worker.connectors.X, connectors.X and X, relative to
    each other, and beside the rest of the old tree where there is one."""
    parent = os.path.dirname(folder)
    in_tree = os.path.basename(folder) == "connectors"
    logger = make_logger()
    core = os.path.join(os.path.dirname(parent), "core") if in_tree else ""
    _module("core", core)
    _module("core.utils", core and os.path.join(core, "utils"))
    _module("core.utils.logger", logger=logger, setup_logging=lambda: logger, EnhancedLogger=EnhancedLogger)
    _module("worker", parent if in_tree else "", ConnectorInterface=ConnectorInterface, BaseWorker=BaseWorker)
    _module("worker.connector_interface", ConnectorInterface=ConnectorInterface)
    _module("worker.base_worker", BaseWorker=BaseWorker)
    _module("worker.connectors", folder)
    _module("connectors", folder)
    _module("connector_interface", ConnectorInterface=ConnectorInterface)
    _module("base_worker", BaseWorker=BaseWorker)
    sys.path += [folder, parent]
