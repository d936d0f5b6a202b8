/// What becomes of fixed times when the clocks of a zone are changed.
///
/// An expression whose hour field begins with `*`, or names every hour, fires by elapsed time and is not concerned:
/// it fires whenever the clock shows a matching time, so an hour that is repeated has its runs twice and one that is
/// skipped has none, and every real hour is treated alike. (These are Vixie cron's rules, save that it also counts an
/// expression with `*` for its minutes among them.)
///
/// Any other expression names fixed times. They are looked at second by second:
///
/// - A time that is *skipped*, because the clock was put forward over it, fires at the first instant after the gap.
///   Several such times, or one that matches that instant anyway, fire there once.
/// - A time that is *repeated*, because the clock was put back, fires at the first of the two.
///
/// The rules are the same for a change of any length at any hour, be it half an hour or a day that is left out.
public enum DaylightSaving: String, Hashable, Sendable, CaseIterable {
    /// Each fixed time fires once.
    case once
    /// A time that is skipped does not fire; one that is repeated fires once.
    case skip
    /// A time that is repeated fires both times; one that is skipped fires once.
    case twice
}
