/// Martlet for Swift programs: define a job, submit it, run it.
public enum MartletVersion {
    public static let current = "0.1.0"
}
