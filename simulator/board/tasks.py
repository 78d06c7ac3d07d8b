"""The interpreter's module _asyncio, in Python, for boards whose clock wraps: the one in C reads the real clock and cannot be told.

Contract: extmod/asyncio/core.py of MicroPython 1.29. A board has a dozen tasks, so the queue is a sorted list.
"""

import time


class TaskQueue:
    def __init__(self):
        self._tasks = []

    def peek(self):
        return self._tasks[0] if self._tasks else None

    def push(self, task, at=None):
        task.data = None  # what it waited for
        task.ph_key = time.ticks_ms() if at is None else at
        place = len(self._tasks)
        while place and time.ticks_diff(self._tasks[place - 1].ph_key, task.ph_key) > 0:
            place -= 1
        self._tasks.insert(place, task)

    def pop(self):
        return self._tasks.pop(0)

    def remove(self, task):
        self._tasks.remove(task)


class Task:
    def __init__(self, coro, globals=None):
        self.coro = coro
        self.data = None
        self.state = True
        self.ph_key = 0
        self._core = globals

    def __iter__(self):
        if not self.state:
            self.state = False
        elif self.state is True:
            self.state = TaskQueue()
        elif type(self.state) is not TaskQueue:
            raise RuntimeError("can't wait")
        return self

    def __next__(self):
        if not self.state:
            raise self.data
        current = self._core["cur_task"]
        self.state.push(current)
        current.data = self

    def done(self):
        return not self.state

    def cancel(self):
        if not self.state:
            return False
        if self is self._core["cur_task"]:
            raise RuntimeError("can't cancel self")
        task = self
        while isinstance(task.data, Task):
            task = task.data
        if hasattr(task.data, "remove"):
            task.data.remove(task)
            self._core["_task_queue"].push(task)
        elif time.ticks_diff(task.ph_key, time.ticks_ms()) > 0:
            self._core["_task_queue"].remove(task)
            self._core["_task_queue"].push(task)
        task.data = self._core["CancelledError"]
        return True
