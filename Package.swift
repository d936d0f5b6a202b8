// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

func target(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

let package = Package(
    name: "martlet",
    products: [
        .library(name: "Martlet", targets: ["Martlet"]),
        .library(name: "MartletTesting", targets: ["MartletTesting"]),
        .executable(name: "martlet", targets: ["MartletCLI"]),
    ],
    targets: [
        .systemLibrary(name: "CNNG", providers: [.apt(["libnng-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(
            name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CSpawn"),
        target("MartletCore"),
        target("MartletRuntime", ["MartletCore"]),
        target("MartletSchedule", ["MartletCore"]),
        target("MartletConfiguration", ["MartletSchedule", "MartletCore"]),
        target("MartletObservability", ["MartletCore"]),
        target("MartletWire", ["MartletCore"]),
        target(
            "MartletTransport",
            ["MartletWire", "MartletRuntime", "MartletObservability", "MartletCore", "CNNG", "CSodium"]),
        target("MartletJSON", ["MartletWire", "MartletConfiguration", "MartletSchedule", "MartletCore"]),
        target("MartletStore", ["MartletCore", "MartletRuntime"]),
        target("MartletStoreSQLite", ["MartletStore", "MartletRuntime", "MartletCore", "CSQLite"]),
        target(
            "MartletCoordinator",
            [
                "MartletCore", "MartletObservability", "MartletRuntime", "MartletWire", "MartletTransport",
                "MartletSchedule", "MartletStore",
            ]
        ),
        .target(
            name: "MartletHTTP",
            dependencies: [
                "MartletCoordinator", "MartletJSON", "MartletConfiguration", "MartletStore", "MartletTransport",
                "MartletWire", "MartletSchedule", "MartletObservability", "MartletRuntime", "MartletCore",
                "CMicroHTTPD", "CSodium",
            ],
            // In the binary, so that it needs no files beside it.
            resources: [.embedInCode("OpenAPI/schemas.json"), .embedInCode("Dashboard/index.html")],
            swiftSettings: settings
        ),
        target(
            "Martlet", ["MartletCore", "MartletObservability", "MartletRuntime", "MartletWire", "MartletTransport"]),
        target("MartletVirtualTime", ["MartletRuntime", "MartletCore"]),
        target(
            "MartletTesting",
            [
                "MartletVirtualTime", "MartletCoordinator", "Martlet", "MartletStore", "MartletTransport",
                "MartletObservability", "MartletRuntime", "MartletCore",
            ]
        ),
        target(
            "MartletSimulation",
            [
                "MartletVirtualTime", "MartletCoordinator", "Martlet", "MartletStore", "MartletTransport",
                "MartletWire", "MartletRuntime",
                "MartletObservability", "MartletCore",
            ]
        ),
        .executableTarget(
            name: "MartletCLI",
            dependencies: [
                "Martlet", "MartletConfiguration", "MartletCoordinator", "MartletObservability", "MartletStore",
                "MartletHTTP", "MartletJSON", "MartletSchedule", "MartletStoreSQLite", "MartletTransport",
                "MartletWire", "MartletRuntime", "MartletCore", "CSpawn",
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "reference-loop",
            dependencies: ["CNNG", "CSQLite"],
            path: "benchmarks/reference",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "martlet-simulate",
            dependencies: ["MartletSimulation"],
            path: "Sources/MartletSimulate",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "signup-worker",
            dependencies: ["Martlet"],
            path: "Examples/SignUpWorker",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "video-pipeline",
            dependencies: ["Martlet"],
            path: "Examples/VideoPipeline",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "account-deletion",
            dependencies: ["Martlet"],
            path: "Examples/AccountDeletion",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "cluster-benchmark",
            dependencies: [
                "Martlet", "MartletCoordinator", "MartletStoreSQLite", "MartletTransport", "MartletWire",
                "MartletObservability", "MartletRuntime", "MartletCore", "CNNG", "CAllocationGauge",
            ],
            path: "benchmarks/cluster",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "steal-benchmark",
            dependencies: [
                "Martlet", "MartletCoordinator", "MartletStoreSQLite", "MartletTransport", "MartletWire",
                "MartletObservability", "MartletRuntime", "MartletCore", "MartletVirtualTime",
            ],
            path: "benchmarks/steal",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "group-benchmark",
            dependencies: ["Martlet"],
            path: "benchmarks/groups",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "store-benchmark",
            dependencies: ["MartletStoreSQLite", "MartletStore", "MartletRuntime", "MartletCore"],
            path: "benchmarks/store",
            swiftSettings: settings
        ),
        .target(
            name: "StoreConformance",
            dependencies: ["MartletStore", "MartletRuntime", "MartletCore"],
            path: "Tests/StoreConformance",
            swiftSettings: settings
        ),
        tests("MartletCoreTests", ["MartletCore", "MartletVirtualTime"]),
        tests("MartletRuntimeTests", ["MartletRuntime", "MartletCore"]),
        tests("MartletScheduleTests", ["MartletSchedule", "MartletCore", "MartletVirtualTime"]),
        tests("MartletConfigurationTests", ["MartletConfiguration", "MartletCore"]),
        .target(name: "CAllocationGauge", path: "Tests/CAllocationGauge"),
        .executableTarget(
            name: "wire-benchmark",
            dependencies: ["MartletWire", "MartletCore", "CAllocationGauge"],
            path: "benchmarks/wire",
            swiftSettings: settings
        ),
        tests("MartletWireTests", ["MartletWire", "MartletCore", "CAllocationGauge"]),
        tests(
            "MartletTransportTests",
            ["MartletTransport", "MartletWire", "MartletObservability", "MartletRuntime", "MartletCore"]),
        .target(name: "CFaultVFS", dependencies: ["CSQLite"], path: "Tests/CFaultVFS"),
        tests("MartletStoreTests", ["StoreConformance", "MartletStore", "MartletCore"]),
        tests(
            "MartletStoreSQLiteTests",
            [
                "StoreConformance", "CFaultVFS", "MartletStoreSQLite", "MartletStore", "MartletRuntime", "MartletCore",
                "CSQLite",
            ]
        ),
        tests(
            "MartletCoordinatorTests",
            [
                "MartletCoordinator", "MartletSimulation", "MartletStore", "MartletTransport", "MartletWire",
                "MartletObservability", "MartletRuntime", "MartletCore",
            ]
        ),
        tests(
            "MartletHTTPTests",
            [
                "MartletHTTP", "MartletCoordinator", "MartletJSON", "MartletConfiguration", "MartletStore",
                "MartletTransport", "MartletWire", "MartletObservability", "MartletRuntime", "MartletCore",
            ]
        ),
        tests(
            "MartletTests",
            [
                "Martlet", "MartletSimulation", "MartletWire", "MartletTransport", "MartletObservability",
                "MartletRuntime", "MartletCore",
            ]
        ),
        tests("MartletTestingTests", ["MartletTesting", "Martlet"]),
        tests(
            "MartletSimulationTests",
            ["MartletSimulation", "MartletStore", "MartletTransport", "MartletRuntime", "MartletCore"]
        ),
        tests(
            "MartletCLITests",
            [
                "MartletCLI", "Martlet", "MartletConfiguration", "MartletJSON", "MartletTransport", "MartletWire",
                "MartletRuntime", "MartletCore",
            ]
        ),
        tests(
            "InteropTests",
            ["MartletCoordinator", "MartletObservability", "MartletStore", "MartletTransport", "MartletRuntime"]
        ),
        .executableTarget(
            name: "test-node",
            dependencies: ["Martlet"],
            path: "Tests/TestNode",
            swiftSettings: settings
        ),
        tests("IntegrationTests", ["Martlet", "MartletWire", "MartletCore", "CSpawn"]),
    ]
)
