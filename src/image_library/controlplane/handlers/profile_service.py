"""The ProfileService RPCs: read the message, call the service, write the message."""

from __future__ import annotations

from typing import Any

from connectrpc.request import RequestContext
from protobuf.wkt import Empty

from image_library.controlplane.handlers.once import key_of
from image_library.controlplane.services.profiles import ProfileService, ProfileWish
from image_library.wire.paging import PageTokens
from image_library.wire.profile import (
    parameter_from_wire,
    profile_to_wire,
    provisioning_from_struct,
    rule_from_wire,
)
from limiquantix.compute.v1 import profile_connect
from limiquantix.compute.v1 import profile_pb as pb

Context = RequestContext[Any, Any]
_PROJECT = "default"


class ProfileHandlers(profile_connect.ProfileService):
    def __init__(self, profiles: ProfileService, tokens: PageTokens) -> None:
        self._profiles = profiles
        self._tokens = tokens

    async def create_profile(self, request: pb.CreateProfileRequest, ctx: Context, /) -> pb.Profile:
        return profile_to_wire(await self._profiles.create(_wish(request), key=key_of(ctx)))

    async def get_profile(self, request: pb.GetProfileRequest, ctx: Context, /) -> pb.Profile:
        return profile_to_wire(await self._profiles.get(request.name, request.project_id or _PROJECT))

    async def list_profiles(
        self, request: pb.ListProfilesRequest, ctx: Context, /
    ) -> pb.ListProfilesResponse:
        page = await self._profiles.list(request.project_id, self._tokens.page_request(request))
        return pb.ListProfilesResponse(
            profiles=[profile_to_wire(profile) for profile in page.items],
            next_page_token=self._tokens.token(page.next, request),
            total_count=page.total,
        )

    async def delete_profile(self, request: pb.DeleteProfileRequest, ctx: Context, /) -> Empty:
        await self._profiles.delete(request.name, request.project_id or _PROJECT)
        return Empty()


def _wish(request: pb.CreateProfileRequest) -> ProfileWish:
    return ProfileWish(
        name=request.name,
        project_id=request.project_id or _PROJECT,
        description=request.description,
        provisioning=provisioning_from_struct(request.provisioning),
        parameters=tuple(map(parameter_from_wire, request.parameters)),
        rule=rule_from_wire(request.user_data_rule),
        replace=request.replace,
    )
