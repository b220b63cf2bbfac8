"""Finds the module of an old connector, imports it, and finds its class, by the rules of the Python worker's loader."""

import importlib.util
import os
import sys
import traceback
import typing

from emprops_connector import ConfigurationError, _describe
from emprops_legacy import surroundings

_SUFFIX = "_connector.py"


def find_file(module, folders):
    """The file of a module: a path, or NAME, which is NAME_connector.py in one of the folders."""
    if "/" in module or module.endswith(".py"):
        candidates = [module]
    else:
        stem = module[:-len("_connector")] if module.endswith("_connector") else module
        candidates = [os.path.join(folder, stem + _SUFFIX) for folder in folders]
    for candidate in candidates:
        if os.path.isfile(candidate):
            return os.path.abspath(candidate)
    raise ConfigurationError(f"there is no file of the connector `{module}`; searched: "
                             + (", ".join(candidates) or "nothing, the setting `folders` is empty"))


def name_of(path):
    file = os.path.basename(path)
    return file[:-len(_SUFFIX)] if file.endswith(_SUFFIX) else os.path.splitext(file)[0]


def load(path):
    """The module. A fault in it is a wrong configuration: nothing changes by trying again."""
    surroundings.serve(os.path.dirname(path))
    name = "worker.connectors." + os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # Connectors that name Dict or Any without importing them run in the Python worker as well: the README shows one.
    module.__dict__.update({each: getattr(typing, each) for each in (
        "Any", "Callable", "Dict", "List", "Optional", "Set", "Tuple", "Type", "Union", "cast")})
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{path} needs the module `{error.name}`: install it for {sys.executable}, or let the "
                                 "connector run with the Python that has it (`command`)") from error
    except (ImportError, SyntaxError, NameError) as error:
        traceback.print_exc()
        raise ConfigurationError(f"{path} cannot be loaded: {_describe(error)}") from error
    return module


def make(module, name, wanted=""):
    """An object of the connector's class: the one that is called `wanted`; else the first one whose connector_id is
    `name`; else the first one that the module itself defines."""
    others, refused = [], []
    for class_name, one in list(module.__dict__.items()):
        if not (isinstance(one, type) and issubclass(one, surroundings.ConnectorInterface)):
            continue
        if one is surroundings.ConnectorInterface or wanted and class_name != wanted:
            continue
        try:
            made = one()
            connector_id = made.connector_id or made.connector_name
        except NotImplementedError:  # the base classes say so
            refused.append(f"{class_name} is a base class")
            continue
        except Exception as error:
            traceback.print_exc()
            refused.append(f"{class_name}() raised {_describe(error)}")
            continue
        if wanted or connector_id == name:
            return made
        if one.__module__ == module.__name__:
            others.append(made)
    if others:
        return others[0]
    raise ConfigurationError(f"{module.__file__} has no class that implements ConnectorInterface"
                             + (f" and is called {wanted}" if wanted else "")
                             + (f": {'; '.join(refused)}" if refused else ""))
