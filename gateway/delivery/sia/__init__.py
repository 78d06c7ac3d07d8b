"""Alarms to a police receiver or a monitoring centre by SIA DC-09: docs/police-receiver.md."""
