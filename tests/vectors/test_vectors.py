"""The vectors agree with an encoder that shares nothing with the Rust one, so neither can drift unseen."""

import hmac
import json
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
STANDINGS = {"holds": 1, "able": 2, "unable": 3, "gone": 4, "offers": 0x80}


def load(name: str) -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads((HERE / name).read_text(encoding="utf-8"))
    return vectors


BEACONS = load("beacon.json")
ARPS = load("arp.json")
NDPS = load("ndp.json")
SIGHTINGS = load("sightings.json")
SECRETS = {key["id"]: bytes.fromhex(key["secret"]) for key in BEACONS["keys"]}


def accepted(vectors: dict[str, Any]) -> pytest.MarkDecorator:
    rows = vectors["accepted"]
    return pytest.mark.parametrize("row", rows, ids=[row["name"] for row in rows])


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def name(text: str) -> bytes:
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded


def claim(of: dict[str, Any]) -> bytes:
    address = ip_address(of["address"])
    fixed = struct.pack(">QBB", of["term"], STANDINGS[of["standing"]] | of.get("why", 0), of.get("reason", 0))
    return bytes([address.version]) + address.packed + fixed


def beacon(of: dict[str, Any], key: int) -> bytes:
    rest = name(of["sender"]) + name(of["recipient"]) + b"".join(claim(each) for each in of["claims"])
    flags = of["hears_you"] | of["goodbye"] << 1 | of["quiet"] << 2
    revisions = (of["since"], of["through"], of["latest"], of["acknowledged"])
    signed = (
        struct.pack(">4sBBHHH", b"MLEV", 1, flags, key, 78 + len(rest) + 32, len(of["claims"]))
        + struct.pack(">QQQI", of["nonce"], of["echo"], of["sequence"], of["interval_ms"])
        + mac(of["mac"])
        + struct.pack(">QQQQ", *revisions)
        + rest
    )
    return signed + hmac.digest(SECRETS[key], signed, "sha256")


def arp(of: dict[str, Any]) -> bytes:
    return (
        struct.pack(">6s6sH", mac(of["destination"]), mac(of["source"]), of["ethertype"])
        + struct.pack(">HHBBH", 1, 0x0800, 6, 4, of["operation"])
        + struct.pack(">6s4s", mac(of["sender_mac"]), IPv4Address(of["sender_ip"]).packed)
        + struct.pack(">6s4s", mac(of["target_mac"]), IPv4Address(of["target_ip"]).packed)
    )


def checksum(data: bytes) -> int:
    """As RFC 1071 has it; ``data`` is of even length."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ndp(of: dict[str, Any]) -> bytes:
    asks = of["message"] == "solicitation"
    kind, option = (135, 1) if asks else (136, 2)
    flags = 0 if asks else of["router"] << 31 | of["solicited"] << 30 | of["override"] << 29
    rest = struct.pack(">I16s", flags, IPv6Address(of["target"]).packed)
    if of["link_layer"] is not None:
        rest += bytes([option, 1]) + mac(of["link_layer"])
    addresses = IPv6Address(of["src_ip"]).packed + IPv6Address(of["dst_ip"]).packed
    pseudo_header = addresses + struct.pack(">II", 4 + len(rest), 58)
    message = struct.pack(">BBH", kind, 0, checksum(pseudo_header + bytes([kind, 0, 0, 0]) + rest)) + rest
    return (
        struct.pack(">6s6sH", mac(of["destination"]), mac(of["source"]), 0x86DD)
        + struct.pack(">IHBB", 6 << 28, len(message), 58, 255)
        + addresses
        + message
    )


@accepted(BEACONS)
def test_beacon_bytes_follow_from_their_meaning(row: dict[str, Any]) -> None:
    assert (beacon(row["meaning"], row["key"]) + bytes(row["padding"])).hex() == row["bytes"]


@accepted(ARPS)
def test_arp_bytes_follow_from_their_meaning(row: dict[str, Any]) -> None:
    assert (arp(row["meaning"]) + bytes(row["padding"])).hex() == row["frame"]


@accepted(NDPS)
def test_ndp_bytes_follow_from_their_meaning(row: dict[str, Any]) -> None:
    assert (ndp(row["meaning"]) + bytes(row["padding"])).hex() == row["frame"]


@accepted(SIGHTINGS)
def test_the_bytes_of_a_sighting_follow_from_their_meaning(row: dict[str, Any]) -> None:
    encode = {"arp": arp, "ndp": ndp}[row["protocol"]]
    assert (encode(row["meaning"]) + bytes(row["padding"])).hex() == row["frame"]


def says(row: dict[str, Any]) -> tuple[str, str, str] | None:
    """The address, who has it, and how it is said."""
    of = row["meaning"]
    if row["protocol"] == "ndp":
        mac_of_it = of["link_layer"] or of["source"]
        if of["message"] == "advertisement":
            return of["target"], mac_of_it, "answer"
        unspecified = of["src_ip"] == "::"
        return (of["target"], of["source"], "probe") if unspecified else (of["src_ip"], mac_of_it, "use")
    nobody, own = "0.0.0.0", of["sender_mac"]
    if of["sender_ip"] == nobody:
        return (of["target_ip"], own, "probe") if of["operation"] == 1 else None
    gratuitous = of["sender_ip"] == of["target_ip"]
    to_another = of["target_mac"] not in {own, "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"}
    replies = {(False, False): "answer", (False, True): "answer", (True, False): "use", (True, True): "objection"}
    return of["sender_ip"], own, "use" if of["operation"] == 1 else replies[gratuitous, to_another]


@accepted(SIGHTINGS)
def test_what_a_frame_says_of_an_address_follows_from_its_meaning(row: dict[str, Any]) -> None:
    told = row["says"]
    assert says(row) == (told and (told["address"], told["mac"], told["form"]))
