"""Who may call what: one row for every RPC. What has no row is refused."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
    """OPERATOR holds the data directory's token, NODE the join token."""

    OPERATOR = "operator"
    NODE = "node"


_OPERATOR = frozenset({Role.OPERATOR})
_NODE_TOO = frozenset({Role.OPERATOR, Role.NODE})

_IMAGES = "limiquantix.storage.v1.ImageService"
_POOLS = "limiquantix.storage.v1.StoragePoolService"
_VOLUMES = "limiquantix.storage.v1.VolumeService"
_VMS = "limiquantix.compute.v1.VMService"
_PROFILES = "limiquantix.compute.v1.ProfileService"
_NODES = "limiquantix.compute.v1.NodeService"

RIGHTS: dict[str, frozenset[Role]] = {
    f"{_IMAGES}/CreateImage": _OPERATOR,
    f"{_IMAGES}/GetImage": _OPERATOR,
    f"{_IMAGES}/ListImages": _OPERATOR,
    f"{_IMAGES}/UpdateImage": _OPERATOR,
    f"{_IMAGES}/DeleteImage": _OPERATOR,
    f"{_IMAGES}/ImportImage": _OPERATOR,
    f"{_IMAGES}/GetImportStatus": _OPERATOR,
    f"{_IMAGES}/ScanLocalImages": _NODE_TOO,
    f"{_IMAGES}/DownloadImage": _OPERATOR,
    f"{_IMAGES}/GetImageCatalog": _OPERATOR,
    f"{_IMAGES}/GetCatalogDownloadStatus": _OPERATOR,
    f"{_IMAGES}/WatchImport": _OPERATOR,
    f"{_IMAGES}/CancelImport": _OPERATOR,
    f"{_IMAGES}/ListJobs": _OPERATOR,
    f"{_IMAGES}/RetryImport": _OPERATOR,
    f"{_IMAGES}/ExplainJob": _OPERATOR,
    f"{_IMAGES}/WatchLibrary": _OPERATOR,
    f"{_IMAGES}/PlaceImage": _OPERATOR,
    f"{_IMAGES}/EvictImage": _OPERATOR,
    f"{_IMAGES}/GetImageUsage": _OPERATOR,
    f"{_IMAGES}/RefreshImages": _OPERATOR,
    f"{_IMAGES}/RefreshCatalog": _OPERATOR,
    f"{_IMAGES}/CollectGarbage": _OPERATOR,
    f"{_IMAGES}/AdoptImage": _OPERATOR,
    f"{_IMAGES}/VerifyImage": _OPERATOR,
    f"{_IMAGES}/ConvertImage": _OPERATOR,
    f"{_IMAGES}/ProveImage": _OPERATOR,
    f"{_IMAGES}/CaptureTemplate": _OPERATOR,
    f"{_POOLS}/CreatePool": _OPERATOR,
    f"{_POOLS}/GetPool": _OPERATOR,
    f"{_POOLS}/ListPools": _OPERATOR,
    f"{_POOLS}/DeletePool": _OPERATOR,
    f"{_VOLUMES}/GetVolume": _OPERATOR,
    f"{_VOLUMES}/ListVolumes": _OPERATOR,
    f"{_VOLUMES}/DeleteVolume": _OPERATOR,
    f"{_VMS}/CreateVM": _OPERATOR,
    f"{_VMS}/GetVM": _OPERATOR,
    f"{_VMS}/ListVMs": _OPERATOR,
    f"{_VMS}/DeleteVM": _OPERATOR,
    f"{_VMS}/StartVM": _OPERATOR,
    f"{_VMS}/StopVM": _OPERATOR,
    f"{_VMS}/RebootVM": _OPERATOR,
    f"{_VMS}/ConvertToTemplate": _OPERATOR,
    f"{_VMS}/GetConsole": _OPERATOR,
    f"{_VMS}/WatchVM": _OPERATOR,
    f"{_VMS}/PreviewProvisioning": _OPERATOR,
    f"{_VMS}/PreflightVM": _OPERATOR,
    f"{_VMS}/ReadConsole": _OPERATOR,
    f"{_VMS}/GetScreenshot": _OPERATOR,
    f"{_VMS}/CreateVMs": _OPERATOR,
    f"{_VMS}/GrowDisk": _OPERATOR,
    f"{_VMS}/FlattenDisk": _OPERATOR,
    f"{_VMS}/RebaseVM": _OPERATOR,
    f"{_VMS}/CreateSnapshot": _OPERATOR,
    f"{_VMS}/RevertToSnapshot": _OPERATOR,
    f"{_VMS}/ListSnapshots": _OPERATOR,
    f"{_VMS}/DeleteSnapshot": _OPERATOR,
    f"{_VMS}/CancelDiskTask": _OPERATOR,
    f"{_VMS}/PreflightCapture": _OPERATOR,
    f"{_PROFILES}/CreateProfile": _OPERATOR,
    f"{_PROFILES}/GetProfile": _OPERATOR,
    f"{_PROFILES}/ListProfiles": _OPERATOR,
    f"{_PROFILES}/DeleteProfile": _OPERATOR,
    f"{_NODES}/RegisterNode": _NODE_TOO,
    f"{_NODES}/GetNode": _OPERATOR,
    f"{_NODES}/ListNodes": _OPERATOR,
    f"{_NODES}/UpdateHeartbeat": _NODE_TOO,
    f"{_NODES}/ResumeNode": _OPERATOR,
}
