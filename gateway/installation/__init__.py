"""Kẻng as a service of Debian or Raspberry Pi OS: users, folders, units, firewall, and how all of it goes away again."""
