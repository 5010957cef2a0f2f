"""Schedules: when an expression fires, a clock that can be simulated, and what fires."""

from workbench.events.schedule.fields import InvalidExpression
from workbench.events.schedule.timetable import Timetable, times

__all__ = ["InvalidExpression", "Timetable", "times"]
