"""Frames made by hand, sent from and seen in a container's namespace."""

from __future__ import annotations

import socket
import struct


def packet_socket(interface: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    made.bind((interface, 0))
    return made


def send(interface: str, frames: list[bytes]) -> None:
    with packet_socket(interface) as sender:
        for frame in frames:
            sender.send(frame)


def mac_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ip_frame(to: str, source: str, ip: str, target: str) -> bytes:
    """An IPv4 packet of an unused protocol (253, RFC 3692), by hand."""
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 24, 1, 0, 64, 253, 0, socket.inet_aton(ip), socket.inet_aton(target))
    total = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF) + header[12:]
    return mac_bytes(to) + mac_bytes(source) + b"\x08\x00" + header + b"test"


def arp_reply(to: str, source: str, mac: str, ip: str, target: str) -> bytes:
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2) + mac_bytes(mac) + socket.inet_aton(ip) + mac_bytes(to)
    return mac_bytes(to) + mac_bytes(source) + b"\x08\x06" + body + socket.inet_aton(target)


def router_advertisement(source: str) -> bytes:
    body = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    all_nodes = socket.inet_pton(socket.AF_INET6, "ff02::1")
    header = struct.pack(">IHBB", 6 << 28, len(body), 58, 255) + socket.inet_pton(socket.AF_INET6, "fe80::1")
    return mac_bytes("33:33:00:00:00:01") + mac_bytes(source) + b"\x86\xdd" + header + all_nodes + body


def ip6_frame(to: str, source: str, ip: str, target: str, body: bytes = b"test", kind: int = 253) -> bytes:
    """An IPv6 packet of an unused protocol (253, RFC 3692), or of the next header `kind`."""
    addresses = socket.inet_pton(socket.AF_INET6, ip) + socket.inet_pton(socket.AF_INET6, target)
    header = struct.pack(">IHBB", 6 << 28, len(body), kind, 255) + addresses
    return mac_bytes(to) + mac_bytes(source) + b"\x86\xdd" + header + body


def icmp6_frame(to: str, source: str, ip: str, target: str, message: bytes) -> bytes:
    """A control message, with its checksum: RFC 4443, section 2.3."""
    addresses = socket.inet_pton(socket.AF_INET6, ip) + socket.inet_pton(socket.AF_INET6, target)
    pseudo = addresses + struct.pack(">II", len(message), 58) + message
    total = sum(struct.unpack(f">{(len(pseudo) + 1) // 2}H", pseudo + bytes(len(pseudo) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    message = message[:2] + struct.pack(">H", ~total & 0xFFFF) + message[4:]
    return ip6_frame(to, source, ip, target, message, 58)


def neighbour(about: str, mac: str) -> bytes:
    """A neighbour advertisement that overrides what is known: RFC 4861, section 4.4."""
    own = bytes([2, 1]) + mac_bytes(mac)
    return struct.pack(">BBHI", 136, 0, 0, 0x60000000) + socket.inet_pton(socket.AF_INET6, about) + own
