// swift-tools-version: 6.2
import PackageDescription

// As a user's package would be, but for the path.
let package = Package(
    name: "shop",
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: [
        .target(name: "Shop", dependencies: [.product(name: "Martlet", package: "martlet")]),
        .testTarget(
            name: "ShopTests", dependencies: ["Shop", .product(name: "MartletTesting", package: "martlet")]),
    ]
)
