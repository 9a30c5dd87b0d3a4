"""What metalev reads and writes of its resources is in their schemas: what is not would be dropped without a word."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from msgspec import inspect
from tests.unit.docs.markdown import ROOT

from metalev.adapters.codec import wire

CRDS = ROOT / "deploy" / "crds"
CASES = [
    ("metallb.io_ipaddresspools", "spec", wire.PoolSpec),
    ("metallb.io_ipaddresspools", "status", wire.PoolStatus),
    ("metallb.io_l2advertisements", "spec", wire.L2AdvertisementSpec),
    ("metalev.io_speakerstates", "status", wire.SpeakerStatus),
    ("metalev.io_drills", "spec", wire.DrillSpec),
]


def unknown(kind: inspect.Type, schema: dict[str, Any], path: str) -> list[str]:
    """The fields of a type that a schema does not have."""
    match kind:
        case inspect.StructType(fields=fields):
            properties = schema.get("properties", {})
            return [
                name
                for field in fields
                for name in (
                    unknown(field.type, properties[field.encode_name], f"{path}.{field.encode_name}")
                    if field.encode_name in properties
                    else [f"{path}.{field.encode_name}"]
                )
            ]
        case inspect.ListType(item_type):
            return unknown(item_type, schema["items"], f"{path}[]")
        case inspect.UnionType(types):
            return [name for each in types for name in unknown(each, schema, path)]
        case inspect.Metadata(type=inner):
            return unknown(inner, schema, path)
        case _:
            return []


@pytest.mark.parametrize(("file", "part", "of"), CASES, ids=[f"{file} {part}" for file, part, _ in CASES])
def test_every_field_that_metalev_knows_is_in_the_schema(file: str, part: str, of: type) -> None:
    (version,) = yaml.safe_load((CRDS / f"{file}.yaml").read_text())["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"][part]
    assert unknown(inspect.type_info(of), schema, part) == []
