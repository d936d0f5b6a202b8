/// A file that is served as it is, from within the binary: pages for people.
///
/// To add one: put it into this folder, name it in `Package.swift` under `.embedInCode`, and list it here. Paths are relative
/// in pages, so that they work behind a proxy that serves them under another one.
struct StaticFile: Sendable {
    let path: String
    let contentType: String
    let bytes: [UInt8]

    static let all = [
        StaticFile(path: "/", contentType: "text/html; charset=utf-8", bytes: PackageResources.index_html)
    ]

    /// Pages run nothing and show nothing that does not come from here.
    static let policy = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

    /// Open to everybody: a page holds no data, it asks for it with a token.
    var route: Route {
        Route(
            "GET", self.path, nil,
            Operation(
                "file", "Pages", "A page", [.init(status: 200, description: "The file.", contentType: "text/html")])
        ) { _ in
            HTTPResponse(
                200,
                headers: [
                    ("Content-Type", self.contentType), ("Content-Security-Policy", Self.policy),
                    ("Cache-Control", "no-cache"), ("Referrer-Policy", "no-referrer"),
                ], body: self.bytes)
        }
    }
}
