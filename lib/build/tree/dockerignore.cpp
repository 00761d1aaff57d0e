#include "cooper/base/error.hpp"
#include "cooper/build/ignore.hpp"

#include "build/tree/dockerignore_pattern.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxLine = 64 * 1024 - 1;  // what Go's line scanner takes
constexpr std::size_t kMaxPatterns = 10'000;     // real files have a few dozen; each costs time for every path

/// Unicode's White_Space, which strings.TrimSpace takes off, as UTF-8.
constexpr std::array<std::string_view, 25> kBlanks = {
    " ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\u0085", "\u00A0", "\u1680",
    "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
    "\u2009", "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"};

std::string_view trim_space(std::string_view text) {
    const auto find = [&](auto has) { return std::find_if(kBlanks.begin(), kBlanks.end(), has); };
    for (;;) {
        const auto* blank = find([&](auto candidate) { return text.starts_with(candidate); });
        if (blank == kBlanks.end()) {
            break;
        }
        text.remove_prefix(blank->size());
    }
    for (;;) {
        const auto* blank = find([&](auto candidate) { return text.ends_with(candidate); });
        if (blank == kBlanks.end()) {
            return text;
        }
        text.remove_suffix(blank->size());
    }
}

std::string quoted(std::string_view pattern) {
    return "'" + oci::printable(pattern) + "'";
}

/// One line of a file: "" for what is no pattern.
std::string read_pattern(std::string_view line) {
    if (line.starts_with('#')) {
        return "";
    }
    line = trim_space(line);
    const bool inverted = line.starts_with('!');
    if (inverted) {
        line = trim_space(line.substr(1));
    }
    std::string pattern = line.empty() ? "" : clean_file_path(line);
    if (pattern.size() > 1 && pattern.starts_with('/')) {
        pattern.erase(0, 1);
    }
    return inverted ? "!" + pattern : pattern;
}

/// Calls `take(line, number)` for every line, without its end and the byte order mark of the first.
template <class F>
void for_each_line(std::string_view text, std::string_view what, F&& take) {
    text.remove_prefix(text.starts_with("\xEF\xBB\xBF") ? 3 : 0);
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        line.remove_suffix(line.ends_with('\r') ? 1 : 0);
        if (line.size() > kMaxLine) {
            throw Error(ErrorCode::InvalidInput, std::string(what) + ", line " + std::to_string(number) +
                                                     ": longer than the limit of " + std::to_string(kMaxLine) +
                                                     " bytes");
        }
        take(line, number);
    }
}

}  // namespace

struct Dockerignore::Pattern {
    DockerignorePattern pattern;
    bool excepts;  ///< written with '!'
    std::string text;
};

Dockerignore::Dockerignore() = default;
Dockerignore::Dockerignore(Dockerignore&&) noexcept = default;
Dockerignore& Dockerignore::operator=(Dockerignore&&) noexcept = default;
Dockerignore::~Dockerignore() = default;

Dockerignore::Dockerignore(const std::vector<std::string>& patterns) {
    for (const auto& pattern : patterns) {
        add(pattern);
    }
}

Dockerignore Dockerignore::parse(std::string_view text, std::string_view what) {
    Dockerignore ignore;
    for_each_line(text, what, [&](std::string_view line, std::size_t number) {
        in_context(std::string(what) + ", line " + std::to_string(number), [&] { ignore.add(read_pattern(line)); });
    });
    return ignore;
}

std::vector<std::string> Dockerignore::read_patterns(std::string_view text, std::string_view what) {
    std::vector<std::string> patterns;
    for_each_line(text, what, [&](std::string_view line, std::size_t) {
        if (auto pattern = read_pattern(line); !pattern.empty()) {
            patterns.push_back(std::move(pattern));
        }
    });
    return patterns;
}

void Dockerignore::add(std::string_view text) {
    text = trim_space(text);
    if (text.empty()) {
        return;
    }
    if (patterns_.size() == kMaxPatterns) {
        throw Error(ErrorCode::InvalidInput, "more patterns than the limit of " + std::to_string(kMaxPatterns));
    }
    auto cleaned = clean_file_path(text);
    const bool excepts = cleaned.starts_with('!');
    auto pattern = cleaned.substr(excepts ? 1 : 0);
    if (pattern.empty()) {
        throw Error(ErrorCode::InvalidInput, "the pattern '!' re-includes nothing")
            .advise("write what is to be kept behind the exclamation mark: !README.md");
    }
    if (is_malformed_pattern(pattern)) {
        throw Error(ErrorCode::InvalidInput, "the pattern " + quoted(cleaned) + " is malformed")
            .advise("close every '[' with a ']' that has something in front of it, and end no pattern with '\\'");
    }
    patterns_.push_back({DockerignorePattern(std::move(pattern)), excepts, cleaned});
    texts_.push_back(std::move(cleaned));
}

bool Dockerignore::evaluate(const Pattern& pattern, std::string_view path) {
    if (pattern.pattern.is_broken()) {
        throw Error(ErrorCode::InvalidInput, "the pattern " + quoted(pattern.text) + " is malformed")
            .advise(
                "it has a class or an escape that Docker refuses too: '\\' stands before the character it takes "
                "literally, and ranges run upwards");
    }
    return pattern.pattern.matches(path);
}

bool Dockerignore::excludes(std::string_view path) const {
    // Of "a/b/" the parents are "a" and "a/b": the last component is empty.
    const std::size_t slash = path.rfind('/');
    const auto parent = slash == std::string_view::npos ? "." : clean_file_path(path.substr(0, slash + 1));
    bool excluded = false;
    for (const auto& pattern : patterns_) {
        if (pattern.excepts != excluded) {
            continue;  // it would change nothing
        }
        bool matched = evaluate(pattern, path);
        for (std::size_t end = 0; !matched && parent != "." && end <= parent.size(); ++end) {
            end = std::min(parent.find('/', end), parent.size());
            matched = evaluate(pattern, std::string_view(parent).substr(0, end));
        }
        excluded = matched ? !pattern.excepts : excluded;
    }
    return excluded;
}

Dockerignore::Answer Dockerignore::ask(std::string_view path, const Answer* parent) const {
    Answer answer;
    answer.matched.resize(patterns_.size());
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
        const bool inherited = parent != nullptr && parent->matched[i];
        if (!inherited && patterns_[i].excepts != answer.excluded) {
            continue;
        }
        if (inherited || evaluate(patterns_[i], path)) {
            answer.matched[i] = true;
            answer.excluded = !patterns_[i].excepts;
        }
    }
    return answer;
}

bool Dockerignore::excludes_all_below(std::string_view directory) const {
    Answer answer;
    answer.excluded = excludes(directory);
    return excludes_all_below(directory, answer);
}

bool Dockerignore::excludes_all_below(std::string_view directory, const Answer& answer) const {
    return answer.excluded && std::none_of(patterns_.begin(), patterns_.end(), [&](const Pattern& pattern) {
               return pattern.excepts && pattern.pattern.may_match_below(directory);
           });
}

}  // namespace cooper::build
