"""SMS and telephone calls through a GSM modem on a serial port: docs/sms.md."""
