"""The agent of a board: pure modules (time and pins come in as arguments) and, in agent.py and session.py, their asyncio shell."""
