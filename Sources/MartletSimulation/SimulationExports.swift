// Who simulates needs the world and its processes.
@_exported public import MartletVirtualTime
