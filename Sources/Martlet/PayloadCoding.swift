import Foundation
package import MartletCore

/// Typed jobs as JSON.
package enum PayloadCoding {
    // Both are safe to share: neither is changed after this.
    private static let encoder = JSONEncoder()
    private static let decoder = JSONDecoder()

    package static func encode(_ job: some Job) throws(MartletError) -> Bytes { try Self.encode(value: job) }

    package static func encode(value: some Encodable) throws(MartletError) -> Bytes {
        do {
            let data = try Self.encoder.encode(value)
            return data.withUnsafeBytes { Bytes(copying: $0) }
        } catch {
            throw MartletError(
                .invalidRequest, "a \(Swift.type(of: value)) cannot be encoded: \(Self.describe(error))")
        }
    }

    /// - Throws: ``JobFailureError``, whose text names the field but no value.
    package static func decode<J: Job>(_ type: J.Type, from payload: Bytes) throws(JobFailureError) -> J {
        try Self.decode(value: type, from: payload)
    }

    /// - Throws: as ``decode(_:from:)``.
    package static func decode<Value: Decodable>(
        value type: Value.Type, from payload: Bytes
    ) throws(JobFailureError) -> Value {
        do {
            return try payload.withUnsafeBytes { bytes in
                // The decoder copies what it keeps, so the memory need not outlive this call.
                let data =
                    bytes.baseAddress.map {
                        Data(
                            bytesNoCopy: UnsafeMutableRawPointer(mutating: $0), count: bytes.count, deallocator: .none)
                    } ?? Data()
                return try Self.decoder.decode(Value.self, from: data)
            }
        } catch {
            throw JobFailureError(kind: "payload", message: "does not decode as \(Value.self): \(Self.describe(error))")
        }
    }

    /// Says where and how, without a value of the payload.
    private static func describe(_ error: any Error) -> String {
        func path(_ context: [any CodingKey], _ last: (any CodingKey)? = nil) -> String {
            let keys = context + (last.map { [$0] } ?? [])
            return keys.isEmpty ? "the top level" : keys.map(\.stringValue).joined(separator: ".")
        }
        switch error {
        case DecodingError.keyNotFound(let key, let context): return "\(path(context.codingPath, key)) is missing"
        case DecodingError.typeMismatch(let type, let context): return "\(path(context.codingPath)) is no \(type)"
        case DecodingError.valueNotFound(let type, let context):
            return "\(path(context.codingPath)) is null, no \(type)"
        case DecodingError.dataCorrupted(let context): return "\(path(context.codingPath)) is not valid"
        case EncodingError.invalidValue(_, let context): return "\(path(context.codingPath)) has no JSON form"
        default: return String(describing: Swift.type(of: error))
        }
    }
}
