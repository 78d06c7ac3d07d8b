"""The pins of a board under test, as a bundle has them; a stage that is to have others sets groundwork.pins."""

from firmware.boards.esp32_wroom import ADC1, ANALOG, HEAP_KB, INPUTS, NAME, NO_PULL, OUTPUTS  # noqa: F401
