"""A node's fetchers put together from its settings; they share what they may ask of hosts and of the line."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import aiohttp

from image_library.domain.addresses import AllowedSources, DeniedSources
from image_library.domain.errors import InvalidSettings
from image_library.node.adapters.fetcher.access import SourceAccess
from image_library.node.adapters.fetcher.connector import judged_connector
from image_library.node.adapters.fetcher.http_fetcher import HttpFetcher, open_session
from image_library.node.adapters.fetcher.mirrors import Mirrors
from image_library.node.adapters.fetcher.policy import LibraryRoutes, SourcePolicy
from image_library.node.adapters.fetcher.proxies import proxies_from
from image_library.node.adapters.fetcher.retries import ASKING
from image_library.node.adapters.fetcher.several import SeveralRules
from image_library.node.adapters.fetcher.traffic import Traffic
from image_library.node.ports.clock import Clock
from image_library.node.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Fetchers:
    # For images and what proves them.
    publishers: HttpFetcher
    # From the same places, for who waits for an answer.
    asking: HttpFetcher
    # What the library has on other nodes, from the control plane.
    library: HttpFetcher


def open_fetchers(
    stack: AsyncExitStack, settings: Settings, *, clock: Clock, environment: Mapping[str, str]
) -> Fetchers:
    """Fetchers that are closed with ``stack``; ``environment`` names the proxies.

    Raises:
        InvalidSettings: a mirror, a host, a proxy, a bundle or a credential cannot be used.
    """
    policy = SourcePolicy(
        mirrors=Mirrors(standing_in=settings.mirror, carrying=settings.image_mirrors),
        allowed=AllowedSources.parse(",".join(settings.allow_sources)),
        denied=DeniedSources.parse(settings.deny_sources),
        proxies=proxies_from(environment),
    )
    access = SourceAccess(authorities=settings.source_ca, credentials=settings.source_credentials)
    rate = settings.download_mib_per_second << 20
    traffic = Traffic(clock, per_host=settings.connections_per_host, bytes_per_second=rate)
    session = open_session(judged_connector(policy))
    stack.push_async_callback(session.close)
    fetcher = partial(
        HttpFetcher,
        session=session,
        policy=policy,
        clock=clock,
        access=access,
        traffic=traffic,
        several=SeveralRules(connections=settings.download_connections),
    )
    return Fetchers(
        publishers=fetcher(),
        asking=fetcher(rules=ASKING),
        library=_library(stack, settings, clock, traffic),
    )


def _library(stack: AsyncExitStack, settings: Settings, clock: Clock, traffic: Traffic) -> HttpFetcher:
    ca = authority_of(settings)
    tls = ssl.create_default_context(cadata=ca.decode() if ca else None)
    session = open_session(
        aiohttp.TCPConnector(ssl=tls, force_close=True), authorization=f"Bearer {settings.join_token}"
    )
    stack.push_async_callback(session.close)
    routes = LibraryRoutes(settings.control_plane_url)
    return HttpFetcher(session=session, policy=routes, clock=clock, traffic=traffic, ours=True)


def authority_of(settings: Settings) -> bytes | None:
    """The bundle that the control plane's certificate is judged by; None: the system's.

    Raises:
        InvalidSettings: it cannot be read.
    """
    path = settings.control_plane_ca
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise InvalidSettings(f"{path} cannot be read: {why}.", field="control_plane_ca") from error
