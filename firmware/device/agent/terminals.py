"""The board's terminals, as its type has them, and its watchdog. Thrown away when they are wired: nothing of it may end up in the agent."""

import machine

from agent.board import Latch


class Terminals:
    """`pins`: the board type's INPUTS, OUTPUTS, ANALOG and NO_PULL (firmware/boards)."""

    def __init__(self, pins):
        self._pins = pins

    def contact(self, terminal):
        """A function that gives 1 while the terminal's input is active, else 0."""
        pin, active = self._input(terminal)
        return machine.Signal(pin, invert=not active)

    def latch(self, terminal):
        """A function that gives True if the terminal's input has become active since it was called last, however shortly.

        The chip keeps the edge even while a flash erase stops the program.
        """
        pin, active = self._input(terminal)
        return Latch(pin, machine.Pin.IRQ_RISING if active else machine.Pin.IRQ_FALLING).take

    def switch(self, terminal):
        """A function that switches the terminal's output on (True) or off; it starts off."""
        gpio, on_level = self._pins.OUTPUTS[terminal]
        return machine.Signal(machine.Pin(gpio, machine.Pin.OUT, value=1 - on_level), invert=not on_level)

    def voltage(self, terminal):
        """A function that gives the µV at the terminal's analog input."""
        adc = machine.ADC(machine.Pin(self._pins.ANALOG[terminal]), atten=machine.ADC.ATTN_11DB)
        return adc.read_uv

    def watchdog(self, timeout_ms):
        """Start the hardware's watchdog, which restarts the board unless it is fed in time; it cannot be stopped. Returns how to feed."""
        return machine.WDT(timeout=timeout_ms).feed

    def _input(self, terminal):
        gpio, active = self._pins.INPUTS[terminal]
        if gpio in self._pins.NO_PULL:
            return machine.Pin(gpio, machine.Pin.IN), active
        return machine.Pin(gpio, machine.Pin.IN, machine.Pin.PULL_UP), active
