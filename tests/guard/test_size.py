"""What the guard's process loads: little."""

from tests.kernel.guard_figures import PARTS, modules

from sealtune.catalogue import limits


def test_the_code_that_restores_stays_small():
    """
    Under 700 lines with the errors it raises: a person can review it in an hour.
    """
    restoring = [module for module in modules() if module.part == "restoring"]
    shared = [module for module in modules() if module.path == "sealtune/errors.py"]
    assert {*PARTS["restoring"]} == {m.path.split("/")[-1][:-3] for m in restoring}
    assert sum(module.code for module in restoring + shared) < 700


def test_the_guards_process_loads_only_what_it_needs():
    """
    No part of sealtune that can break for other reasons; the one table is data.
    """
    data = [module.path for module in modules() if module.part == "data"]
    assert [limits.__name__.replace(".", "/") + ".py"] == data
    assert not [module.path for module in modules() if "tactician" in module.path]
