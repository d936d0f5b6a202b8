import Foundation
import MartletCore
import Testing

@testable import MartletCLI

/// The commands that the pages show are commands, with options that there are.
@Suite struct DocumentedCommandTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static let pages: [URL] = {
        let docs = root.appending(path: "docs")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: docs.path)) ?? []
        return [root.appending(path: "README.md")]
            + names.filter { $0.hasSuffix(".md") }.sorted().map { docs.appending(path: $0) }
    }()

    /// All that stands in a page as `martlet …`, in a block or in a line, as words.
    static func commands(in page: String) -> [[String]] {
        var commands: [[String]] = []
        var isBlock = false
        for line in page.split(separator: "\n") {
            if line.hasPrefix("```") {
                isBlock.toggle()
            } else if isBlock {
                let line = line.hasPrefix("$ ") ? line.dropFirst(2) : line
                if line.hasPrefix("martlet ") { commands.append(Self.words(line)) }
            } else {
                for (place, piece) in line.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                where place % 2 == 1 && piece.hasPrefix("martlet ") {
                    commands.append(Self.words(piece))
                }
            }
        }
        return commands.flatMap(Self.alternatives)
    }

    /// As a shell takes a line apart, to the end of the command.
    private static func words(_ line: some StringProtocol) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        for character in line {
            if let open = quote {
                if character == open { quote = nil } else { word?.append(character) }
            } else if character == "'" || character == "\"" {
                quote = character
                word = word ?? ""
            } else if character == " " {
                if let word { words.append(word) }
                word = nil
            } else if "#|&>".contains(character), word == nil {
                break
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let word { words.append(word) }
        return Array(words.dropFirst())
    }

    /// `cancel|retry` is two commands.
    private static func alternatives(_ words: [String]) -> [[String]] {
        let isChoice = { (word: String) in word.contains("|") && word.allSatisfy { $0.isLowercase || $0 == "|" } }
        guard let place = words.firstIndex(where: isChoice) else { return [words] }
        return words[place].split(separator: "|").map { words[..<place] + [String($0)] + words[(place + 1)...] }
    }

    /// Parsing is what is checked: a page may name a command without what it needs.
    private static func problem(_ words: [String]) -> String? {
        do {
            _ = try ArgumentParser(root: CommandTree.root).parse(words)
            return nil
        } catch {
            let text = "\(error)"
            return ["is missing", "needs a command", "needs a value"].contains { text.contains($0) } ? nil : text
        }
    }

    @Test(arguments: pages) func whatAPageShowsIsThere(page: URL) throws {
        for words in Self.commands(in: try String(contentsOf: page, encoding: .utf8)) where words.first != "COMMAND" {
            let problem = Self.problem(words)
            #expect(problem == nil, "\(page.lastPathComponent): martlet \(words.joined(separator: " "))")
        }
    }

    @Test func aPageIsTakenApart() {
        let page = """
            Say `martlet jobs cancel|retry 4` or `swift build`.
            ```
            $ martlet submit t '{"a b": "|"}' --tag "x y"    # now
            martlet coordinator &
            ```
            """
        #expect(
            Self.commands(in: page) == [
                ["jobs", "cancel", "4"], ["jobs", "retry", "4"], ["submit", "t", "{\"a b\": \"|\"}", "--tag", "x y"],
                ["coordinator"],
            ])
        #expect(Self.problem(["jobs", "list", "--nonsense", "sale"]) != nil)
        #expect(Self.problem(["jobs", "lists"]) != nil)
    }
}
