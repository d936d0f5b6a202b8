/// What one node had to do with steals, in all.
package struct StealCounts: Hashable, Sendable {
    /// Times that it was asked for jobs.
    package var asks: UInt64 = 0
    /// Jobs that it was asked for.
    package var asked: UInt64 = 0
    /// Of those, what came back unstarted.
    package var gaveBack: UInt64 = 0
    /// Jobs that it got after another node had given them back.
    package var tookOver: UInt64 = 0

    package init() {}
}
