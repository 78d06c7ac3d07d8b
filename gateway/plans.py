"""What settings and site together mean for decisions: who can be reached, how long things last, when a channel proves itself."""

from gateway.domain import health
from gateway.domain.canaries import Plan, Probe
from gateway.domain.deadlines import Limits
from gateway.settings import Receiver, Settings
from protocol.fields import Id
from protocol.people import PHONE_CHANNELS
from protocol.site import Site


def strangers(settings: Settings, site: Site) -> list[str]:
    """What the site file says of targets that the settings do not have."""
    known = {f"apprise:{target.name}" for target in settings.apprise}
    return [
        f"site: people {person.id}: channels: expected a target of the settings' [[apprise]], got {way!r}"
        for person in site.people
        for way in person.ways
        if way.startswith("apprise:") and way not in known
    ]


def ways(settings: Settings) -> frozenset[str]:
    """The channels to people that are set up."""
    phones = PHONE_CHANNELS if settings.sms.port else ()
    return frozenset((*phones, *(f"apprise:{target.name}" for target in settings.apprise)))


def canary_plan(settings: Settings, site: Site) -> Plan:
    """When and how each channel that is set up here proves itself."""
    found = settings.canary
    probes = {channel: Probe() for channel in (*(f"webhook:{one.name}" for one in settings.webhooks), *ways(settings))}
    fallbacks = {receiver.fallback for receiver in settings.receivers}
    # A fallback gets nothing while the other answers: its link tests prove it. One without them is proved by what it takes.
    probes |= {f"sia:{one.name}": Probe(sends=one.name not in fallbacks) for one in settings.receivers if _is_asked(one, fallbacks)}
    if settings.sms.port:
        person = next((one for role in ("technician", "duty", "leader") for one in site.people if one.role == role and one.phone), None)
        default = Probe(address=str(person.phone), person=person.id) if person else Probe()
        probes["sms"] = Probe(address=found.sms_to, returns=found.sms_returns) if found.sms_to else default
        probes["voice"] = Probe(sends=bool(found.voice_to), address=found.voice_to)
    return Plan(found.at, found.patience_min * 60_000, {name: one for name, one in probes.items() if name not in found.skip})


def _is_asked(receiver: Receiver, fallbacks: set[Id | None]) -> bool:
    return receiver.name not in fallbacks or receiver.supervision_s > 0


def health_limits(settings: Settings) -> health.Limits:
    """Where a fault of the gateway begins."""
    found = settings.health
    return health.Limits(found.disk_free_mb, found.temperature_c, found.clock_min, found.broker_mb)


def limits(settings: Settings, site: Site) -> Limits:
    """How long things last here."""
    return Limits(
        ring_max_ms=settings.engine.ring_max_s * 1000,
        verify_ms=settings.engine.verify_s * 1000,
        silence_ms=site.policy.silence_s * 1000,
        ask_ms=site.policy.ask_h * 3_600_000,
    )
