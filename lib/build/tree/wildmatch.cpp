// gitwildmatch as pathspec 0.12.1 translates it to regular expressions, rules as tags.md 4.3 and 4.4 number them.
#include "cooper/base/error.hpp"
#include "cooper/build/ignore.hpp"

#include "build/tree/code_points.hpp"
#include "build/tree/path_automaton.hpp"
#include "build/tree/python_text.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <optional>
#include <unordered_set>

namespace cooper::build {

namespace {

using Segments = std::vector<std::u32string_view>;

constexpr std::size_t kMaxPattern = 16 * 1024;  // four times the longest path; the automaton grows with it
constexpr std::size_t kMaxPatterns = 10'000;    // each may be tried on each file
constexpr std::u32string_view kAnyDepth = U"**";

Error refused(std::string_view pattern, const std::string& why) {
    return {ErrorCode::InvalidInput, "the pattern '" + oci::printable(pattern) + "' " + why};
}

/// Blanks go at both ends, but for one at the end behind a backslash (rule 1).
std::string_view strip(std::string_view text) {
    const std::string_view stripped = python_strip(text);
    return text.ends_with("\\ ") ? std::string_view(stripped.data(), stripped.size() + 1) : stripped;
}

/// Split on '/', with several "**" in a row being one (rule 3).
Segments split_segments(std::u32string_view pattern) {
    Segments segments;
    for (std::size_t begin = 0; begin <= pattern.size();) {
        const std::size_t end = std::min(pattern.find(U'/', begin), pattern.size());
        const auto segment = pattern.substr(begin, end - begin);
        if (segment != kAnyDepth || segments.empty() || segments.back() != kAnyDepth) {
            segments.push_back(segment);
        }
        begin = end + 1;
    }
    return segments;
}

/// Where a pattern begins to match and what a '/' at its end means (rules 5 and 6).
Segments anchored(const Segments& segments) {
    const bool one_name = segments.size() == 1 || (segments.size() == 2 && segments[1].empty());
    const bool at_root = segments.front().empty();
    Segments result;
    if (one_name && !at_root && segments.front() != kAnyDepth) {
        result.push_back(kAnyDepth);
    }
    result.insert(result.end(), segments.begin() + (at_root ? 1 : 0), segments.end());
    if (result.size() > 1 && result.back().empty()) {
        result.back() = kAnyDepth;
    }
    return result;
}

/// Rules 7 and 8: the steps of one pattern. `text` is what the user wrote, for messages.
class StepBuilder {
public:
    explicit StepBuilder(std::string_view text) : text_(text) {}

    std::vector<PatternStep> build(const Segments& segments) {
        bool need_slash = false;
        for (std::size_t i = 0; i < segments.size(); ++i) {
            const bool last = i + 1 == segments.size();
            if (segments[i] == kAnyDepth) {
                add_any_depth(i == 0, last);
                need_slash = i != 0;
                continue;
            }
            if (need_slash) {
                add_slash();
            }
            segments[i] == U"*" ? add_name() : add_glob(segments[i]);
            if (last) {
                add_optional_rest();
            }
            need_slash = true;
        }
        return std::move(steps_);
    }

    /// The pattern "**/": anything with a slash in it that is not the first character (rule 4).
    std::vector<PatternStep> build_below_any_directory() {
        add_line(1);
        add_slash();
        add_line(0);
        return std::move(steps_);
    }

private:
    void add(CodePointSet what, bool repeated = false) { steps_.push_back({std::move(what), repeated, 0}); }
    void add_slash() { add(CodePointSet::only(U'/')); }
    /// "[^/]+": one name that is not empty.
    void add_name() {
        add(CodePointSet::all_but(U'/'));
        add(CodePointSet::all_but(U'/'), true);
    }
    /// Characters but no newline: "." of the original's regular expressions.
    void add_line(int at_least) {
        if (at_least != 0) {
            add(CodePointSet::all_but(U'\n'));
        }
        add(CodePointSet::all_but(U'\n'), true);
    }
    /// "(?:/.*)?" at the end: what matches a directory matches all below it.
    void add_optional_rest() {
        const std::size_t begin = steps_.size();
        add_slash();
        add_line(0);
        steps_[begin].skip_to = steps_.size();
    }

    void add_any_depth(bool first, bool last) {
        const std::size_t begin = steps_.size();
        if (first && last) {
            add_name();
            add_optional_rest();
        } else if (first) {
            add_line(1);
            add_slash();
            steps_[begin].skip_to = steps_.size();
        } else if (last) {
            add_slash();
            add_line(0);
        } else {
            add_slash();
            add_line(1);
            steps_[begin].skip_to = steps_.size();
        }
    }

    void add_glob(std::u32string_view glob) {
        bool after_star = false;
        for (std::size_t i = 0; i < glob.size(); ++i) {
            const char32_t c = glob[i];
            const bool star = c == U'*';
            if (star && !after_star) {
                add(CodePointSet::all_but(U'/'), true);
            } else if (c == U'?') {
                add(CodePointSet::all_but(U'/'));
            } else if (c == U'[') {
                i = add_set(glob, i);
            } else if (c == U'\\') {
                if (++i == glob.size()) {
                    throw refused(text_, "has a '\\' with nothing behind it to take literally")
                        .advise("a backslash itself is written '\\\\'");
                }
                add(CodePointSet::only(glob[i]));
            } else if (!star) {
                add(CodePointSet::only(c));
            }
            after_star = star;
        }
    }

    /// The set that begins at `open`, or a literal '[' where it does not end; returns the index of its last character.
    std::size_t add_set(std::u32string_view glob, std::size_t open) {
        std::size_t begin = open + 1;
        const bool negated = begin < glob.size() && (glob[begin] == U'!' || glob[begin] == U'^');
        begin += negated ? 1 : 0;
        const std::size_t close = glob.find(U']', begin + 1);  // a ']' that comes first is a member
        if (begin >= glob.size() || close == std::u32string_view::npos) {
            add(CodePointSet::only(U'['));
            return open;
        }
        CodePointSet set{negated, {}};
        for (std::size_t i = begin; i < close;) {
            const bool range = i + 2 < close && glob[i + 1] == U'-';
            const char32_t last = range ? glob[i + 2] : glob[i];
            if (last < glob[i]) {
                throw refused(text_, "has a range in [...] whose end comes before its beginning");
            }
            set.ranges.emplace_back(glob[i], last);
            i += range ? 3 : 1;
        }
        add(std::move(set));
        return close;
    }

    std::string_view text_;
    std::vector<PatternStep> steps_;
};

struct Parsed {
    bool include;
    std::vector<PatternStep> steps;
};

/// nullopt for a line that says nothing (rule 2). `joined` is `text`, for an ignore pattern with "!" before it.
std::optional<Parsed> parse(const std::string& joined, std::string_view text) {
    if (joined.size() > kMaxPattern) {
        throw refused(text, "is longer than the limit of " + std::to_string(kMaxPattern) + " bytes");
    }
    const std::u32string characters = code_points(strip(joined));
    std::u32string_view pattern = characters;
    if (pattern.empty() || pattern.front() == U'#' || pattern == U"/") {
        return std::nullopt;
    }
    const bool include = pattern.front() != U'!';
    pattern.remove_prefix(include ? 0 : 1);
    const Segments segments = split_segments(pattern);
    StepBuilder builder(text);
    if (segments == Segments{kAnyDepth, {}}) {
        return Parsed{include, builder.build_below_any_directory()};
    }
    const Segments normal = anchored(segments);
    if (normal.empty()) {
        throw refused(text, "is empty").advise("leave it out");
    }
    return Parsed{include, builder.build(normal)};
}

}  // namespace

struct WildmatchList::Pattern {
    bool include;
    PathAutomaton automaton;
};

WildmatchList::WildmatchList(const std::vector<std::string>& match, const std::vector<std::string>& ignore) {
    if (match.size() + ignore.size() > kMaxPatterns) {
        throw Error(ErrorCode::InvalidInput, "more than the limit of " + std::to_string(kMaxPatterns) + " patterns");
    }
    std::unordered_set<std::string> seen;
    const auto add = [&](const std::string& joined, const std::string& text) {
        if (!seen.insert(joined).second) {
            return;
        }
        if (auto parsed = parse(joined, text)) {
            patterns_.push_back({parsed->include, PathAutomaton(parsed->steps)});
        }
    };
    for (const std::string& text : match) {
        add(text, text);
    }
    for (const std::string& text : ignore) {
        add("!" + text, text);
    }
    everything_ = seen.size() == 1 && seen.contains("*");
}

WildmatchList::WildmatchList(WildmatchList&&) noexcept = default;
WildmatchList& WildmatchList::operator=(WildmatchList&&) noexcept = default;
WildmatchList::~WildmatchList() = default;

bool WildmatchList::includes(std::string_view path) const {
    if (everything_) {
        return true;
    }
    const std::u32string characters = code_points(path);
    const auto last = std::find_if(patterns_.rbegin(), patterns_.rend(),
                                   [&](const Pattern& pattern) { return pattern.automaton.matches(characters); });
    return last != patterns_.rend() && last->include;
}

}  // namespace cooper::build
