"""The inventory's inbound rules as flat rows, for engines that only know tables.

A row is an interface, a protocol (-1 for all), a range of ports and a range of IPv4 addresses: what a person would write into a
table before joining logs with it. IPv6 is left out, as are references to groups of other VPCs.
"""

import ipaddress
import json
from pathlib import Path

PROTOCOLS = {"-1": -1, "icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}


def _load(inventory: Path, name: str, key: str) -> list:
    path = inventory / f"{name}.json"
    return json.loads(path.read_text())[key] if path.exists() else []


def _range(cidr: str) -> tuple[int, int]:
    network = ipaddress.ip_network(cidr)
    return int(network[0]), int(network[-1])


def flatten(inventory: Path) -> tuple[list[tuple], list[tuple]]:
    """Rows (interface, rule, protocol, port_lo, port_hi, ip_lo, ip_hi), and rows (interface, address)."""
    interfaces = _load(inventory, "describe-network-interfaces", "NetworkInterfaces")
    addresses = [
        (eni["NetworkInterfaceId"], address["PrivateIpAddress"])
        for eni in interfaces
        for address in eni["PrivateIpAddresses"]
    ]
    members: dict[str, list[str]] = {}
    holders: dict[str, list[str]] = {}
    for eni in interfaces:
        for group in eni["Groups"]:
            holders.setdefault(group["GroupId"], []).append(eni["NetworkInterfaceId"])
            members.setdefault(group["GroupId"], []).extend(
                address["PrivateIpAddress"] for address in eni["PrivateIpAddresses"]
            )
    lists = {}
    for path in inventory.glob("get-managed-prefix-list-entries-*.json"):
        entries = json.loads(path.read_text())["Entries"]
        lists[path.stem.removeprefix("get-managed-prefix-list-entries-")] = [e["Cidr"] for e in entries]

    rows = set()
    for rule in _load(inventory, "describe-security-group-rules", "SecurityGroupRules"):
        if rule["IsEgress"]:
            continue
        if "CidrIpv4" in rule:
            peers = [_range(rule["CidrIpv4"])]
        elif "PrefixListId" in rule:
            peers = [_range(cidr) for cidr in lists.get(rule["PrefixListId"], []) if ":" not in cidr]
        elif "ReferencedGroupInfo" in rule:
            peers = [_range(ip) for ip in members.get(rule["ReferencedGroupInfo"]["GroupId"], [])]
        else:
            continue
        name = rule["IpProtocol"]
        protocol = PROTOCOLS[name] if name in PROTOCOLS else int(name)
        has_ports = protocol in (6, 17) and rule["FromPort"] >= 0
        ports = (rule["FromPort"], rule["ToPort"]) if has_ports else (0, 65535)
        for eni in holders.get(rule["GroupId"], []):
            for low, high in peers:
                rows.add((eni, rule["SecurityGroupRuleId"], protocol, *ports, low, high))
    return sorted(rows), sorted(addresses)
