// `JobID`, `JobOptions`, `RetryPolicy` and the other types that users meet live in MartletCore, because the
// coordinator needs them too. Who imports Martlet gets them.
@_exported public import MartletCore
