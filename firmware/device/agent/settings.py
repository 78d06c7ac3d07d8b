"""What a board has been told: a module of its own, so that the reader of the file (agent.config) can be thrown away."""

from agent import inbox


class Config:
    """`networked` is False for a board that knows neither site nor broker: its own bell still obeys its own buttons.

    `path`: the file in which it is kept, or will be, if a trial ends well (agent.trial).
    `digest`: 8 hex digits that tell this configuration from another, None without one (agent.config.digest).
    """

    def __init__(self):
        self.path = None
        self.networked = False
        self.digest = None
        self.site = ""
        self.device = ""
        self.kind = "household"
        self.group = ""
        self.brokers = ()  # (host, port), tried in turn
        self.server_name = ""  # in the broker's certificate; "" for a link without TLS
        self.password = ""
        self.wifi = ()  # (ssid, key)
        self.bell_sense = True
        self.verify_s = 60
        self.points = {}  # name -> {parameter: value}, or None where a point of the kind is not fitted: see agent.fit

    def topics(self):
        """What this board wants to hear: see inbox.subscriptions."""
        return inbox.subscriptions(self.site, self.device, self.group)
