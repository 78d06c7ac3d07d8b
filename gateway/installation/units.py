"""The systemd units, as text. Their options are those of systemd 252 (Debian 12): systemd.service(5), systemd.exec(5)."""

from gateway.installation.layout import CONSOLE_USER, USER, Layout

WATCHDOG_S = 30  # the engine beats three times in it; a start on a slow card takes 10 s
STOP_S = 20

# What no service of ours needs. AF_NETLINK: asking for the addresses of the machine. setpriority: the courier steps back behind the
# engine. adjtimex without a capability only reads whether the clock is synchronised; ProtectClock would forbid that too.
HARDENED = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=all
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=setpriority adjtimex
SystemCallErrorNumber=EPERM
UMask=0027"""

# What an alarm passes through goes before all else (priority.py); where the machine does not let it, it runs as anything else does.
FIRST = """\
LimitRTPRIO=1
RestrictRealtime=no
SystemCallFilter=sched_setscheduler"""

# An alarm system is never given up: however often it has failed, it is started again. What it may cost meanwhile is limited instead.
AGAIN = """\
StartLimitIntervalSec=0"""


def all_units(layout: Layout, *, modem: bool, firewall: bool, power: bool = False) -> dict[str, str]:
    """File name -> text. `modem`: the engine has a serial port to speak to; `power`: a command of its
    own cuts the modem's power (USB hub, GPIO)."""
    return {
        "keng.target": target(),
        "keng-broker.service": broker(layout),
        "keng-engine.service": engine(layout, modem=modem, power=power),
        "keng-console.service": console(layout),
        "keng-backup.service": backup(layout),
        "keng-backup.timer": backup_timer(),
        **({"keng-firewall.service": firewall_service()} if firewall else {}),
    }


def target() -> str:
    """Everything together: `systemctl start keng.target`, `systemctl stop keng.target`."""
    return """\
[Unit]
Description=Kẻng, the village alarm gong
Wants=keng-broker.service keng-engine.service keng-console.service keng-backup.timer
After=network.target

[Install]
WantedBy=multi-user.target
"""


def broker(layout: Layout) -> str:
    """The broker's rights are written anew at each start and each reload; a reload cuts off nobody whose rights are the same."""
    account = f"{layout.program} broker accounts {_files(layout)} --user console --json"
    return f"""\
[Unit]
Description=Kẻng: MQTT broker
PartOf=keng.target
After=network.target
{AGAIN}

[Service]
Type=exec
User={USER}
Group={USER}
ExecStartPre=/bin/sh -c 'umask 077 && {account} >{layout.console_account}.new && mv {layout.console_account}.new {layout.console_account}'
ExecStart={layout.program} broker {_files(layout)}
ExecReload={layout.program} broker files {_files(layout)}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=500ms
TimeoutStopSec={STOP_S}
OOMScoreAdjust=-900
CPUWeight=1000
IOWeight=1000
LimitNOFILE=65536
TasksMax=64
StateDirectory=keng
StateDirectoryMode=0750
PrivateDevices=yes
{HARDENED}
{FIRST}

[Install]
WantedBy=keng.target
"""


def engine(layout: Layout, *, modem: bool, power: bool) -> str:
    """The engine waits for the broker by itself: none of them is stopped because the other is."""
    # A modem on USB comes and goes: the classes of serial ports, not one device.
    ports = "char-ttyUSB char-ttyACM char-ttyAMA char-ttyS" + (" char-usb_device char-gpiochip" if power else "")
    devices = f"DevicePolicy=closed\n{''.join(f'DeviceAllow={port} rw{chr(10)}' for port in ports.split())}SupplementaryGroups=dialout"
    return f"""\
[Unit]
Description=Kẻng: engine
PartOf=keng.target
Wants=keng-broker.service
After=keng-broker.service network.target
{AGAIN}

[Service]
Type=notify
NotifyAccess=main
WatchdogSec={WATCHDOG_S}
User={USER}
Group={USER}
ExecStart={layout.program} engine {_files(layout)}
Restart=always
RestartSec=500ms
TimeoutStopSec={STOP_S}
OOMScoreAdjust=-900
CPUWeight=1000
IOWeight=1000
TasksMax=64
StateDirectory=keng
StateDirectoryMode=0750
RuntimeDirectory=keng
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
{devices if modem else "PrivateDevices=yes"}
{HARDENED}
{FIRST}

[Install]
WantedBy=keng.target
"""


def console(layout: Layout) -> str:
    """The web: as another user, after everything else in line for processor, disk and memory."""
    return f"""\
[Unit]
Description=Kẻng: duty desk
PartOf=keng.target
Wants=keng-engine.service
After=keng-broker.service keng-engine.service network.target
{AGAIN}

[Service]
Type=notify
NotifyAccess=main
WatchdogSec={WATCHDOG_S}
User={CONSOLE_USER}
Group={CONSOLE_USER}
SupplementaryGroups={USER}
LoadCredential=accounts:{layout.console_account}
ExecStart={layout.program} console {_files(layout)} --accounts %d/accounts
Restart=always
RestartSec=2
TimeoutStopSec={STOP_S}
OOMScoreAdjust=300
CPUWeight=20
IOWeight=20
MemoryHigh=256M
MemoryMax=384M
TasksMax=64
StateDirectory=keng-console
StateDirectoryMode=0750
PrivateDevices=yes
{HARDENED}

[Install]
WantedBy=keng.target
"""


def backup(layout: Layout) -> str:
    """A safe copy, while everything runs: of the page's accounts too, which only it may read besides the page."""
    return f"""\
[Unit]
Description=Kẻng: safe copy
RequiresMountsFor={layout.backups}

[Service]
Type=oneshot
User={USER}
Group={USER}
SupplementaryGroups={CONSOLE_USER}
ExecStart={layout.program} backup {layout.backups} --keep 14 --settings {layout.settings} --data {layout.data}
Nice=10
CPUWeight=20
IOWeight=20
ReadWritePaths={layout.data} {layout.backups}
PrivateDevices=yes
PrivateNetwork=yes
{HARDENED}
"""


def backup_timer() -> str:
    """Once a night, and soon after a start if the night was missed."""
    return """\
[Unit]
Description=Kẻng: a safe copy each night
PartOf=keng.target

[Timer]
OnCalendar=*-*-* 03:30
RandomizedDelaySec=10min
Persistent=yes

[Install]
WantedBy=keng.target
"""


def firewall_service() -> str:
    """Its own table: no other rules of the machine are touched, and stopping it takes nothing else away."""
    return """\
[Unit]
Description=Kẻng: firewall
DefaultDependencies=no
Before=network-pre.target
Wants=network-pre.target
After=local-fs.target nftables.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/keng/firewall.nft
ExecReload=/usr/sbin/nft -f /etc/keng/firewall.nft
ExecStop=/usr/sbin/nft delete table inet keng
CapabilityBoundingSet=CAP_NET_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_NETLINK AF_UNIX
RestrictNamespaces=yes
LockPersonality=yes

[Install]
WantedBy=multi-user.target
"""


def _files(layout: Layout) -> str:
    return f"--site {layout.site} --settings {layout.settings} --data {layout.data}"
