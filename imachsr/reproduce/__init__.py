"""The batch: studies run in parallel, notebooks executed in order, one report."""

from .batch import Outcome, Plan, plan, run_all
from .everything import reproduce
from .execution import Parameter, checked, execute, notebooks, parameters, store
from .report import write_report

__all__ = [
    "Outcome",
    "Parameter",
    "Plan",
    "checked",
    "execute",
    "notebooks",
    "parameters",
    "plan",
    "reproduce",
    "run_all",
    "store",
    "write_report",
]
