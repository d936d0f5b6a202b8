import Martlet

@main
struct Main {
    static func main() {
        print("martlet \(MartletVersion.current)")
    }
}
