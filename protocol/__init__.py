"""The wire that boards, engine, console and simulator share. This package is the only place that knows topics and fields."""
