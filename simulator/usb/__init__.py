"""Boards on a serial port, without hardware: real esptool writes their flash, real MicroPython boots from it, mpremote talks to it."""
