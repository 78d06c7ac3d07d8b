"""Who may use the console: accounts, invitations, sessions, the brake on guessing, and the record of who did what."""
