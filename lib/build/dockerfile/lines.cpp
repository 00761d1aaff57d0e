#include "build/dockerfile/lines.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <set>

namespace cooper::build {

namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kWhiteSpace = " \t\v\f\r\n";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_white(char character) {
    return kWhiteSpace.find(character) != std::string_view::npos;
}

std::size_t skip_white(std::string_view text, std::size_t at) {
    return std::min(text.find_first_not_of(kWhiteSpace, at), text.size());
}

std::size_t skip_word(std::string_view text, std::size_t at) {
    return std::min(text.find_first_of(kWhiteSpace, at), text.size());
}

std::string to_upper(std::string_view text) {
    std::string upper(text);
    for (auto& character : upper) {
        if (character >= 'a' && character <= 'z') {
            character = static_cast<char>(character - 'a' + 'A');
        }
    }
    return upper;
}

struct Heredoc {
    std::string name;
    bool chomp = false;
};

/// The words of a command as they are written, with their quotes and escapes.
std::vector<std::string> shell_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char character = text[i];
        if (quote == 0 && is_white(character)) {
            if (word.ends_with("<<") && skip_white(text, i) < text.size()) {
                i = skip_white(text, i) - 1;  // "<< EOF" is one word
                word += ' ';
                continue;
            }
            if (!word.empty()) {
                words.push_back(std::move(word));
                word.clear();
            }
            continue;
        }
        word += character;
        if (character == '\\' && quote != '\'' && i + 1 < text.size()) {
            word += text[++i];
        } else if (quote == 0 && (character == '\'' || character == '"')) {
            quote = character;
        } else if (character == quote) {
            quote = 0;
        }
    }
    if (!word.empty()) {
        words.push_back(std::move(word));
    }
    return words;
}

/// "EOF" of EOF, "EOF", 'EOF' or \EOF.
std::string without_quotes(std::string_view word) {
    std::string plain;
    char quote = 0;
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (word[i] == '\\' && quote != '\'' && i + 1 < word.size()) {
            plain += word[++i];
        } else if (quote == 0 && (word[i] == '\'' || word[i] == '"')) {
            quote = word[i];
        } else if (word[i] == quote) {
            quote = 0;
        } else {
            plain += word[i];
        }
    }
    return plain;
}

/// DIGITS << [-] NAME. "<< -NAME" is not chomped: there the dash is the name's.
std::optional<Heredoc> parse_heredoc(std::string_view word) {
    const auto digits = std::min(word.find_first_not_of("0123456789"), word.size());
    auto rest = word.substr(digits);
    if (!rest.starts_with("<<")) {
        return std::nullopt;
    }
    rest.remove_prefix(2);
    Heredoc found;
    if (rest.starts_with('-')) {
        found.chomp = true;
        rest.remove_prefix(1);
    }
    rest = rest.substr(skip_white(rest, 0));
    if (rest.empty() || rest.find('<') != std::string_view::npos) {
        return std::nullopt;
    }
    found.name = without_quotes(rest);
    return found;
}

bool is_json_form(std::string_view arguments) {
    if (!arguments.starts_with('[')) {
        return false;
    }
    try {
        return json::parse(arguments, "arguments").is_array();
    } catch (const Error&) {
        return false;
    }
}

/// Leading words "--…"; returns where the rest begins. As BuildKit, with '\' in any case.
std::size_t take_flags(std::string_view text, std::size_t at, std::vector<std::string>& flags) {
    for (;;) {
        at = skip_white(text, at);
        if (!text.substr(at).starts_with("--")) {
            return at;
        }
        std::string word;
        char quote = 0;
        for (; at < text.size() && (quote != 0 || !is_white(text[at])); ++at) {
            if (text[at] == '\\') {
                if (++at == text.size()) {
                    break;
                }
                word += text[at];
            } else if (quote == 0 && (text[at] == '\'' || text[at] == '"')) {
                quote = text[at];
            } else if (text[at] == quote) {
                quote = 0;
            } else {
                word += text[at];
            }
        }
        if (word == "--") {
            return skip_white(text, at);
        }
        flags.push_back(std::move(word));
    }
}

class Splitter {
public:
    explicit Splitter(std::string_view text) : text_(text) {
        if (text.size() > kMaxDockerfile) {
            throw Error(ErrorCode::InvalidInput,
                        "the Dockerfile is larger than the limit of " + std::to_string(kMaxDockerfile) + " bytes");
        }
    }

    DockerfileLines split() {
        if (text_.starts_with(kByteOrderMark)) {
            next_ = kByteOrderMark.size();
        }
        bool directives = true;
        while (next_ < text_.size()) {
            const auto line = take_line();
            const auto content = content_of(line);
            if (directives && take_directive(content)) {
                continue;
            }
            directives = false;
            if (content.empty() || content.starts_with('#')) {
                continue;
            }
            take_instruction(line);
        }
        return std::move(result_);
    }

private:
    struct PhysicalLine {
        std::size_t number;
        std::size_t begin;
        std::string_view text;  // without its break
    };

    [[noreturn]] static void fail(std::size_t number, const std::string& problem) {
        throw Error(ErrorCode::InvalidInput, "Dockerfile:" + std::to_string(number) + ": " + problem);
    }

    PhysicalLine take_line() {
        const std::size_t begin = next_;
        const std::size_t end = std::min(text_.find('\n', begin), text_.size());
        next_ = std::min(end + 1, text_.size());
        ++number_;
        if (end - begin > kMaxDockerfileLine) {
            fail(number_, "the line is longer than the limit of " + std::to_string(kMaxDockerfileLine) + " bytes");
        }
        auto text = text_.substr(begin, end - begin);
        while (text.ends_with('\r')) {
            text.remove_suffix(1);
        }
        return {number_, begin, text};
    }

    static std::string_view content_of(const PhysicalLine& line) { return line.text.substr(skip_white(line.text, 0)); }

    /// "# escape=`"; false ends the directives.
    bool take_directive(std::string_view line) {
        const auto equals = line.find('=');
        if (!line.starts_with('#') || equals == std::string_view::npos) {
            return false;
        }
        const auto key = to_lower(trim(line.substr(1, equals - 1)));
        if (key != "escape" && key != "syntax" && key != "check") {
            return false;
        }
        if (!seen_directives_.insert(key).second) {
            fail(number_, "there may be only one parser directive \"" + key + "\"");
        }
        const auto value = trim(line.substr(equals + 1));
        if (key == "escape" && value != "\\" && value != "`") {
            fail(number_, "the escape character must be \\ or `, not \"" + oci::printable(value) + "\"");
        }
        if (key == "escape") {
            result_.escape = value.front();
        }
        return true;
    }

    /// The line without the escape character that continues it; nullopt: it is the last.
    [[nodiscard]] std::optional<std::string_view> continued(std::string_view line) const {
        const auto last = line.find_last_not_of(kBlanks);
        const bool continues = last != std::string_view::npos && line[last] == result_.escape &&
                               (last == 0 || line[last - 1] != result_.escape);
        return continues ? std::optional(line.substr(0, last)) : std::nullopt;
    }

    static void append(DockerfileLine& line, const PhysicalLine& from, std::string_view part) {
        line.pieces.push_back(
            {line.text.size(), from.begin + static_cast<std::size_t>(part.data() - from.text.data())});
        line.text += part;
    }

    void take_instruction(PhysicalLine line) {
        DockerfileLine instruction;
        instruction.number = line.number;
        instruction.begin = line.begin;
        auto part = content_of(line);
        for (;;) {
            const auto rest = continued(part);
            append(instruction, line, rest.value_or(part));
            if (!rest || !take_continuation(line)) {
                break;
            }
            part = line.text;
        }
        instruction.end = next_;
        if (trim(instruction.text).empty()) {
            return;
        }
        take_apart(instruction);
        for (const auto& heredoc : heredocs_of(instruction.keyword, instruction.arguments, instruction.text)) {
            skip_heredoc(heredoc, instruction.number);
        }
        instruction.end = next_;
        result_.lines.push_back(std::move(instruction));
    }

    /// The next line that is neither blank nor a comment; false at the text's end.
    bool take_continuation(PhysicalLine& line) {
        while (next_ < text_.size()) {
            line = take_line();
            const auto content = content_of(line);
            if (!content.empty() && !content.starts_with('#')) {
                return true;
            }
        }
        return false;
    }

    static void take_apart(DockerfileLine& line) {
        while (!line.text.empty() && is_white(line.text.back())) {
            line.text.pop_back();
        }
        const auto begin = skip_white(line.text, 0);
        const auto end = skip_word(line.text, begin);
        line.keyword = to_upper(std::string_view(line.text).substr(begin, end - begin));
        line.arguments = take_flags(line.text, end, line.flags);
    }

    static std::vector<Heredoc> heredocs_of(const std::string& keyword, std::size_t arguments, std::string_view text) {
        if (keyword == "ONBUILD") {
            const auto end = skip_word(text, arguments);
            std::vector<std::string> flags;
            const auto rest = take_flags(text, end, flags);
            return heredocs_of(to_upper(text.substr(arguments, end - arguments)), rest, text);
        }
        std::vector<Heredoc> found;
        if ((keyword == "RUN" || keyword == "COPY" || keyword == "ADD") && !is_json_form(text.substr(arguments))) {
            for (const auto& word : shell_words(text)) {
                if (auto heredoc = parse_heredoc(word)) {
                    found.push_back(*std::move(heredoc));
                }
            }
        }
        return found;
    }

    void skip_heredoc(const Heredoc& heredoc, std::size_t number) {
        while (next_ < text_.size()) {
            auto line = take_line().text;
            if (heredoc.chomp) {
                line = line.substr(std::min(line.find_first_not_of('\t'), line.size()));
            }
            if (line == heredoc.name) {
                return;
            }
        }
        fail(number, "the heredoc \"" + oci::printable(heredoc.name) + "\" has no end");
    }

    std::string_view text_;
    std::size_t next_ = 0;
    std::size_t number_ = 0;
    std::set<std::string> seen_directives_;
    DockerfileLines result_;
};

}  // namespace

std::size_t DockerfileLine::place_of(std::size_t offset) const {
    const auto behind = std::upper_bound(pieces.begin(), pieces.end(), offset,
                                         [](std::size_t wanted, const Piece& piece) { return wanted < piece.offset; });
    const auto& piece = *std::prev(behind);
    return piece.place + (offset - piece.offset);
}

DockerfileLines split_dockerfile(std::string_view text) {
    return Splitter(text).split();
}

std::vector<std::string_view> split_blanks(std::string_view text) {
    std::vector<std::string_view> words;
    for (std::size_t at = skip_white(text, 0); at < text.size(); at = skip_white(text, at)) {
        const auto end = skip_word(text, at);
        words.push_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

std::vector<DockerfileWord> split_words(std::string_view text, char escape) {
    std::vector<DockerfileWord> words;
    for (std::size_t at = skip_white(text, 0); at < text.size(); at = skip_white(text, at)) {
        DockerfileWord word{at, at};
        char quote = 0;
        for (; at < text.size() && (quote != 0 || !is_white(text[at])); ++at) {
            if (text[at] == escape && quote != '\'') {
                at = std::min(at + 1, text.size() - 1);
            } else if (quote == 0 && (text[at] == '\'' || text[at] == '"')) {
                quote = text[at];
            } else if (text[at] == quote) {
                quote = 0;
            }
        }
        word.end = at;
        words.push_back(word);
    }
    return words;
}

}  // namespace cooper::build
