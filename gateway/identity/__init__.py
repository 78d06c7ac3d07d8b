"""Who may connect to the broker, and what each may say and hear."""
