"""A GSM modem that is not there: a real pty that speaks AT in PDU mode, a mobile network behind it, and the faults of both."""
