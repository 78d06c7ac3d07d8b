"""Who may reach the gateway from outside: a table of nftables of our own, which leaves every other rule of the machine alone."""

from gateway.addresses import is_loopback
from gateway.settings import Settings

SSH_PORT = 22


def doors(settings: Settings, ssh_ports: tuple[int, ...]) -> dict[int, str]:
    """TCP port -> what is behind it, for those that are open to the network."""
    found = dict.fromkeys(ssh_ports, "ssh")
    if settings.broker.kind != "external" and not is_loopback(settings.broker.host):
        found[settings.broker.port] = "MQTT of the boards"
    if not is_loopback(settings.console.host):
        found[settings.console.port] = "the duty desk"
    return found


def rules(settings: Settings, ssh_ports: tuple[int, ...] = (SSH_PORT,)) -> str:
    """A file for `nft -f`, which takes the place of an older one as a whole. What is answered, and what stays inside, is not touched."""
    opened = "\n".join(f'    tcp dport {port} accept comment "{what}"' for port, what in sorted(doors(settings, ssh_ports).items()))
    return f"""\
# Written by keng install. Changes by hand do not last.
table inet keng
delete table inet keng
table inet keng {{
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    iif lo accept
    ip protocol icmp icmp type {{ echo-request, destination-unreachable, time-exceeded, parameter-problem }} accept
    icmpv6 type != {{ nd-redirect }} accept
    udp sport 67 udp dport 68 accept comment "DHCP"
    ip6 saddr fe80::/10 udp dport 546 accept comment "DHCPv6"
    udp dport 5353 accept comment "mDNS: the gateway's name on the lane"
{opened}
  }}
}}
"""
