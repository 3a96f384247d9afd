"""Profiles between clients and the control plane."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from protobuf.wkt import Struct

from image_library.domain.profiles.parameters import Parameter, ParameterType
from image_library.domain.profiles.profile import Profile, UserDataRule, without_secrets
from image_library.wire.times import time_to_wire
from limiquantix.compute.v1 import profile_pb as pb

_TYPES = {
    ParameterType.STRING: pb.ProfileParameter.Type.STRING,
    ParameterType.SECRET: pb.ProfileParameter.Type.SECRET,
    ParameterType.INTEGER: pb.ProfileParameter.Type.INTEGER,
    ParameterType.BOOLEAN: pb.ProfileParameter.Type.BOOLEAN,
    ParameterType.LIST: pb.ProfileParameter.Type.LIST,
}
_TYPES_BACK = {there: here for here, there in _TYPES.items()}
_RULES = {
    UserDataRule.ALLOW: pb.UserDataRule.ALLOW,
    UserDataRule.DENY: pb.UserDataRule.DENY,
    UserDataRule.APPEND: pb.UserDataRule.APPEND,
}
_RULES_BACK = {there: here for here, there in _RULES.items()}


def profile_to_wire(profile: Profile) -> pb.Profile:
    """Without the hashes of passwords."""
    return pb.Profile(
        id=profile.id,
        name=profile.name,
        project_id=profile.project_id,
        description=profile.description,
        provisioning=Struct.from_json(json.dumps(without_secrets(profile.provisioning))),
        parameters=[_parameter_to_wire(one) for one in profile.parameters],
        user_data_rule=_RULES[profile.rule],
        revision=profile.revision,
        created_at=time_to_wire(profile.created_at),
        updated_at=time_to_wire(profile.updated_at),
    )


def provisioning_from_struct(said: Struct | None) -> Mapping[str, Any]:
    return json.loads(said.to_json()) if said else {}


def rule_from_wire(number: pb.UserDataRule) -> UserDataRule:
    return _RULES_BACK.get(number, UserDataRule.APPEND)


def parameter_from_wire(said: pb.ProfileParameter) -> Parameter:
    return Parameter(
        name=said.name,
        type=_TYPES_BACK.get(said.type, ParameterType.STRING),
        description=said.description,
        required=said.required,
        default=said.default if said.has_field("default") else None,
        allowed=tuple(said.allowed),
        pattern=said.pattern,
    )


def _parameter_to_wire(one: Parameter) -> pb.ProfileParameter:
    said = pb.ProfileParameter(
        name=one.name,
        type=_TYPES[one.type],
        description=one.description,
        required=one.required,
        allowed=list(one.allowed),
        pattern=one.pattern,
    )
    if one.default is not None:
        said.default = one.default
    return said
