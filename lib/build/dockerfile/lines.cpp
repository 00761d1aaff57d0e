#include "build/dockerfile/lines.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "build/dockerfile/characters.hpp"
#include "build/dockerfile/directives.hpp"
#include "build/dockerfile/expansion.hpp"
#include "build/dockerfile/source_error.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <climits>
#include <set>

namespace cooper::build {

namespace {

constexpr std::string_view kContinuationBlanks = " \t";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_white(char character) {
    return kDockerfileBlanks.find(character) != std::string_view::npos;
}

std::size_t skip_white(std::string_view text, std::size_t at) {
    return std::min(text.find_first_not_of(kDockerfileBlanks, at), text.size());
}

std::size_t skip_word(std::string_view text, std::size_t at) {
    return std::min(text.find_first_of(kDockerfileBlanks, at), text.size());
}

std::optional<std::string> no_value(std::string_view /*name*/) {
    return std::nullopt;
}

/// The words of a command as they are written, quotes and escapes included; none when a quote has no end.
std::vector<std::string> shell_words(std::string_view text) {
    ExpansionOptions options;
    options.split = true;
    options.keep_quotes = true;
    options.keep_escapes = true;
    options.keep_unset = true;
    try {
        return expand(text, options, no_value).words;
    } catch (const Error&) {
        return {};
    }
}

/// nullopt: no array of strings, so words. Throws Error{InvalidInput} for an array of other things.
std::optional<std::vector<std::string>> parse_json_form(std::string_view arguments) {
    if (!arguments.starts_with('[')) {
        return std::nullopt;
    }
    json::Value array;
    try {
        array = json::parse(arguments, "arguments");
    } catch (const Error&) {
        return std::nullopt;
    }
    std::vector<std::string> words;
    for (const auto& word : array) {
        if (!word.is_string()) {
            throw Error(ErrorCode::InvalidInput, "an array of arguments holds strings only");
        }
        words.push_back(word.get<std::string>());
    }
    return words;
}

bool takes_json(std::string_view keyword) {
    constexpr std::array<std::string_view, 8> kKeywords{"RUN",  "CMD", "ENTRYPOINT", "SHELL",
                                                        "COPY", "ADD", "VOLUME",     "HEALTHCHECK"};
    return std::find(kKeywords.begin(), kKeywords.end(), keyword) != kKeywords.end();
}

bool takes_heredocs(std::string_view keyword) {
    return keyword == "RUN" || keyword == "COPY" || keyword == "ADD";
}

/// Leading words "--…"; returns where the rest begins.
std::size_t take_flags(std::string_view text, std::size_t at, char escape, std::vector<DockerfileFlag>& flags) {
    for (;;) {
        at = skip_white(text, at);
        if (!text.substr(at).starts_with("--")) {
            return at;
        }
        DockerfileFlag flag;
        flag.offset = at;
        char quote = 0;
        for (; at < text.size() && (quote != 0 || !is_white(text[at])); ++at) {
            if (quote == 0 && (text[at] == '\'' || text[at] == '"')) {
                quote = text[at];
            } else if (text[at] == quote) {
                quote = 0;
            } else if (text[at] != escape) {
                flag.text += text[at];
            } else if (at + 1 < text.size()) {
                flag.text += text[++at];
            }
        }
        if (flag.text == "--") {
            return skip_white(text, at);
        }
        flags.push_back(std::move(flag));
    }
}

/// Keyword, flags, arguments of `line.text`.
void take_apart(DockerfileLine& line, char escape) {
    const std::string_view text = line.text;
    const auto content = trim_blanks(text);
    const auto end =
        content.empty() ? text.size() : static_cast<std::size_t>(content.data() - text.data()) + content.size();
    const auto begin = end - content.size();
    const auto whole = text.substr(0, end);
    const auto word_end = skip_word(whole, begin);
    line.word = whole.substr(begin, word_end - begin);
    line.keyword = to_upper(line.word);
    line.arguments = take_flags(whole, word_end, escape, line.flags);
    const auto left = whole.substr(line.arguments);
    line.arguments += left.size() - trim_left_blanks(left).size();
    line.end_of_arguments = end;
    if (takes_json(line.keyword)) {
        const auto rest = line.rest();
        const auto type = line.keyword == "HEALTHCHECK" ? skip_white(rest, skip_word(rest, 0)) : 0;
        line.json = parse_json_form(rest.substr(type));
    }
}

bool may_have_heredocs(const DockerfileLine& line, char escape) {
    if (line.text.find("<<") == std::string::npos) {
        return false;
    }
    if (line.keyword == "ONBUILD") {
        const auto trigger = trigger_of(line, escape);
        return takes_heredocs(trigger.keyword) && !trigger.json;
    }
    return takes_heredocs(line.keyword) && !line.json;
}

class Splitter {
public:
    Splitter(std::string_view text, std::string_view file) : text_(text), file_(file) {
        if (text.size() > kMaxDockerfile) {
            throw DockerfileError(std::string(file) + ": the Dockerfile is larger than the limit of " +
                                      std::to_string(kMaxDockerfile) + " bytes",
                                  DockerfilePosition{});
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
            directives = directives && take_directive(line, content);
            if (directives) {
                continue;
            }
            if (content.starts_with('#')) {
                remember_comment(line.text);
            } else if (!content.empty()) {
                take_instruction(line);
            }
        }
        return std::move(result_);
    }

private:
    struct PhysicalLine {
        std::size_t number;
        std::size_t begin;
        std::string_view text;  // without its break
    };

    [[noreturn]] void fail(std::size_t place, const std::string& problem, const std::string& advice = "") const {
        throw source_error(text_, file_, place, problem, advice);
    }

    PhysicalLine take_line() {
        const std::size_t begin = next_;
        const std::size_t end = std::min(text_.find('\n', begin), text_.size());
        next_ = std::min(end + 1, text_.size());
        ++number_;
        if (end - begin > kMaxDockerfileLine) {
            fail(begin, "the line is longer than the limit of " + std::to_string(kMaxDockerfileLine) + " bytes");
        }
        auto text = text_.substr(begin, end - begin);
        while (text.ends_with('\r')) {
            text.remove_suffix(1);
        }
        return {number_, begin, text};
    }

    static std::string_view content_of(const PhysicalLine& line) { return trim_left_blanks(line.text); }

    /// "# escape=`"; false ends the directives.
    bool take_directive(const PhysicalLine& line, std::string_view content) {
        const auto directive = content.starts_with('#') ? parse_directive(content.substr(1)) : std::nullopt;
        if (!directive) {
            return false;
        }
        if (!seen_directives_.insert(directive->key).second) {
            fail(line.begin, "there may be only one parser directive \"" + directive->key + "\"");
        }
        if (directive->key == "escape") {
            if (directive->value != "\\" && directive->value != "`") {
                fail(line.begin,
                     "the escape character must be \\ or `, not \"" + oci::printable(directive->value) + "\"");
            }
            result_.escape = directive->value.front();
        }
        return true;
    }

    /// What documents the instruction below; an empty comment ends a paragraph. As in BuildKit, of a comment that is
    /// indented the "#" stays.
    void remember_comment(std::string_view line) {
        const auto comment = trim_blanks(line.substr(1));
        if (comment.empty()) {
            comments_.clear();
        } else {
            comments_.emplace_back(comment);
        }
    }

    /// The line without the escape character that continues it; nullopt: it is the last.
    [[nodiscard]] std::optional<std::string_view> continued(std::string_view line) const {
        const auto last = line.find_last_not_of(kContinuationBlanks);
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
        if (result_.lines.size() == kMaxDockerfileInstructions) {
            fail(line.begin, "more instructions than the limit of " + std::to_string(kMaxDockerfileInstructions));
        }
        DockerfileLine instruction;
        instruction.number = line.number;
        instruction.begin = line.begin;
        auto part = content_of(line);
        for (;;) {
            const auto rest = continued(part);
            append(instruction, line, rest.value_or(part));
            if (!rest || !take_continuation(line, instruction)) {
                break;
            }
            part = line.text;
        }
        try {
            take_apart(instruction, result_.escape);
            if (may_have_heredocs(instruction, result_.escape)) {
                take_heredocs(instruction);
            }
        } catch (const DockerfileError&) {
            throw;
        } catch (const Error& error) {
            fail(instruction.place_of(instruction.arguments), error.what());
        }
        instruction.end = next_;
        instruction.last = number_;
        instruction.comments = std::move(comments_);
        comments_.clear();
        result_.lines.push_back(std::move(instruction));
    }

    /// The next line that is neither blank nor a comment; false at the text's end.
    bool take_continuation(PhysicalLine& line, DockerfileLine& instruction) {
        while (next_ < text_.size()) {
            line = take_line();
            const auto content = content_of(line);
            if (content.empty()) {
                instruction.blank_line = line.number;
            } else if (!content.starts_with('#')) {
                return true;
            }
        }
        return false;
    }

    void take_heredocs(DockerfileLine& line) {
        for (const auto& word : shell_words(line.text)) {
            auto heredoc = parse_heredoc_word(word);
            if (heredoc) {
                heredoc->content = take_body(*heredoc, line);
                line.heredocs.push_back(*std::move(heredoc));
            }
        }
    }

    std::string take_body(const Heredoc& heredoc, const DockerfileLine& instruction) {
        const std::size_t begin = next_;
        while (next_ < text_.size()) {
            const auto line = take_line();
            auto content = line.text;
            if (heredoc.chomp) {
                content = content.substr(std::min(content.find_first_not_of('\t'), content.size()));
            }
            if (content == heredoc.name) {
                return std::string(text_.substr(begin, line.begin - begin));
            }
        }
        const auto mark = instruction.text.find("<<");
        fail(instruction.place_of(mark), "the heredoc \"" + oci::printable(heredoc.name) + "\" has no end",
             "end it with a line that is \"" + oci::printable(heredoc.name) + "\" and nothing else");
    }

    std::string_view text_;
    std::string_view file_;
    std::size_t next_ = 0;
    std::size_t number_ = 0;
    std::set<std::string> seen_directives_;
    std::vector<std::string> comments_;
    DockerfileLines result_;
};

}  // namespace

std::size_t DockerfileLine::place_of(std::size_t offset) const {
    const auto behind = std::upper_bound(pieces.begin(), pieces.end(), offset,
                                         [](std::size_t wanted, const Piece& piece) { return wanted < piece.offset; });
    const auto& piece = *std::prev(behind);
    return piece.place + (offset - piece.offset);
}

DockerfileLines split_dockerfile(std::string_view text, std::string_view file) {
    return Splitter(text, file).split();
}

DockerfileLine trigger_of(const DockerfileLine& onbuild, char escape) {
    DockerfileLine trigger;
    trigger.text = onbuild.rest();
    trigger.pieces.push_back({0, onbuild.arguments});
    take_apart(trigger, escape);
    return trigger;
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
    for (std::size_t at = 0; at < text.size();) {
        if (const auto blank = blank_at(text, at)) {
            at += blank;
            continue;
        }
        DockerfileWord word{at, at};
        char quote = 0;
        for (; at < text.size() && (quote != 0 || blank_at(text, at) == 0); ++at) {
            if (text[at] == escape && quote != '\'') {
                if (at + 1 == text.size()) {
                    break;
                }
                at += std::max<std::size_t>(blank_at(text, at + 1), 1);
            } else if (quote == 0 && (text[at] == '\'' || text[at] == '"')) {
                quote = text[at];
            } else if (text[at] == quote) {
                quote = 0;
            }
        }
        word.end = at;
        if (word.end > word.begin) {
            words.push_back(word);
        }
        at += at + 1 == text.size() && text[at] == escape ? 1U : 0U;
    }
    return words;
}

// "<< -NAME" is not chomped: there the dash is the name's.
std::optional<Heredoc> parse_heredoc_word(std::string_view word) {
    const auto digits = std::min(word.find_first_not_of("0123456789"), word.size());
    auto rest = word.substr(digits);
    if (!rest.starts_with("<<")) {
        return std::nullopt;
    }
    rest.remove_prefix(2);
    Heredoc found;
    found.descriptor =
        static_cast<unsigned>(std::min<std::uint64_t>(parse_uint(word.substr(0, digits)).value_or(0), UINT_MAX));
    found.chomp = rest.starts_with('-');
    rest.remove_prefix(found.chomp ? 1 : 0);
    rest = rest.substr(skip_white(rest, 0));
    if (rest.empty() || rest.find('<') != std::string_view::npos) {
        return std::nullopt;
    }
    ExpansionOptions options;
    options.split = true;
    options.keep_unset = true;
    const auto plain = expand(rest, options, no_value).words;
    if (plain.size() != 1) {
        return std::nullopt;
    }
    options.keep_quotes = true;
    const auto quoted = expand(rest, options, no_value).words;
    const auto quotes = [](const std::string& text) {
        return std::count(text.begin(), text.end(), '\'') + std::count(text.begin(), text.end(), '"');
    };
    found.name = plain[0];
    found.expand = quoted.size() == 1 && quotes(plain[0]) == quotes(quoted[0]);
    return found;
}

std::string without_leading_tabs(std::string_view text) {
    std::string cut;
    cut.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        at = std::min(text.find_first_not_of('\t', at), text.size());
        const auto end = std::min(text.find('\n', at), text.size() - 1) + 1;
        cut += text.substr(at, end > at ? end - at : 0);
        at = std::max(end, at);
    }
    return cut;
}

}  // namespace cooper::build
